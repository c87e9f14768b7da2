/**
 * The first commands for every QEMU. They are in its monitor socket before it runs, so that a VM is restored while its
 * owner is still starting.
 */
import { qemuFd } from "../plan-machine.ts";
import type { QmpCommand, QmpCommands } from "./commands.ts";

/** With its arguments. */
export type FirstCommand = {
  readonly [C in QmpCommand]: { readonly execute: C; readonly arguments: QmpCommands[C]["arguments"] };
}[QmpCommand];

/** `x-ignore-shared`: memory in a file is not copied. */
export const migrationCapabilities = {
  capabilities: ["x-ignore-shared", "events"].map((capability) => ({ capability, state: true })),
};

/** The first command ends the negotiation mode, in which QEMU accepts no other command. */
export function firstCommands(restores: boolean): readonly FirstCommand[] {
  const negotiated: FirstCommand = { execute: "qmp_capabilities", arguments: {} };
  if (!restores) return [negotiated];
  return [
    negotiated,
    { execute: "migrate-set-capabilities", arguments: migrationCapabilities },
    { execute: "migrate-incoming", arguments: { uri: `fd:${qemuFd.state}` } },
  ];
}

/** Ids count from 1. QEMU reads nothing before it has sent its greeting. */
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
