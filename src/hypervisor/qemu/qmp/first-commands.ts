/**
 * What every QEMU is told before anybody listens to it: the commands are in its monitor when it begins to run, so that a machine
 * is restored while whoever will own it is still starting.
 */
import { qemuFd } from "../plan-machine.ts";
import type { QmpCommand, QmpCommands } from "./commands.ts";

/** With the arguments that it takes. */
export type FirstCommand = {
  readonly [C in QmpCommand]: { readonly execute: C; readonly arguments: QmpCommands[C]["arguments"] };
}[QmpCommand];

/** Memory that is a file is left where it is. */
export const migrationCapabilities = {
  capabilities: ["x-ignore-shared", "events"].map((capability) => ({ capability, state: true })),
};

/** The first leaves the negotiation mode, in which QEMU takes no other command. */
export function firstCommands(restores: boolean): readonly FirstCommand[] {
  const negotiated: FirstCommand = { execute: "qmp_capabilities", arguments: {} };
  if (!restores) return [negotiated];
  return [
    negotiated,
    { execute: "migrate-set-capabilities", arguments: migrationCapabilities },
    { execute: "migrate-incoming", arguments: { uri: `fd:${qemuFd.state}` } },
  ];
}

/** Their ids count from 1. QEMU reads nothing before it has greeted. */
export function firstText(commands: readonly FirstCommand[]): string {
  return commands.map((command, index) => commandText({ ...command, id: index + 1 })).join("");
}

/** One line of the protocol. */
export function commandText(command: {
  readonly execute: QmpCommand;
  readonly arguments: unknown;
  readonly id: number;
}): string {
  return `${JSON.stringify(command)}\n`;
}
