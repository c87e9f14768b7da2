/**
 * The QMP commands and events in use: their types, and checks of the answers. Names and fields are those of QEMU's QAPI
 * schema. Answers are not trusted, because a guest may have taken over its VMM.
 */
import { KumiteError } from "../../../util/errors.ts";
import { isRecord } from "../../../util/json.ts";
import type { DeviceEvent } from "./device-events.ts";
import { type HotplugCommands, hotplugResults } from "./hotplug-commands.ts";

/** No fields. */
export type Nothing = Readonly<Record<string, never>>;

export interface QmpStatus {
  /** A `RunState`, e.g. `running`, `paused`, `prelaunch`, `internal-error`. */
  readonly status: string;
  readonly running: boolean;
}

/** Arguments and result of each command. */
export interface QmpCommands extends HotplugCommands {
  readonly qmp_capabilities: { readonly arguments: Nothing; readonly result: Nothing };
  readonly "query-status": { readonly arguments: Nothing; readonly result: QmpStatus };
  readonly stop: { readonly arguments: Nothing; readonly result: Nothing };
  readonly cont: { readonly arguments: Nothing; readonly result: Nothing };
  readonly system_powerdown: { readonly arguments: Nothing; readonly result: Nothing };
  readonly "migrate-set-capabilities": {
    readonly arguments: { readonly capabilities: readonly { readonly capability: string; readonly state: boolean }[] };
    readonly result: Nothing;
  };
  readonly migrate: { readonly arguments: { readonly uri: string }; readonly result: Nothing };
  readonly "migrate-incoming": { readonly arguments: { readonly uri: string }; readonly result: Nothing };
  readonly "dump-guest-memory": {
    readonly arguments: { readonly paging: boolean; readonly protocol: string };
    readonly result: Nothing;
  };
  /** Stores the passed descriptor under this name, for a command that takes `fd:<name>`. */
  readonly getfd: { readonly arguments: { readonly fdname: string }; readonly result: Nothing };
  /** Closes a stored descriptor that no command has used. */
  readonly closefd: { readonly arguments: { readonly fdname: string }; readonly result: Nothing };
  /** Makes a descriptor set with the passed descriptor and returns its number, for `/dev/fdset/<number>`. */
  readonly "add-fd": { readonly arguments: Nothing; readonly result: number };
  /** The set disappears once nothing has it open. */
  readonly "remove-fd": { readonly arguments: { readonly "fdset-id": number }; readonly result: Nothing };
  readonly quit: { readonly arguments: Nothing; readonly result: Nothing };
}

export type QmpCommand = keyof QmpCommands;

/** Checks the result of each command. */
export const resultOf: { readonly [C in QmpCommand]: (value: unknown) => QmpCommands[C]["result"] } = {
  qmp_capabilities: nothing,
  "query-status": (value) => {
    if (!isRecord(value) || typeof value.status !== "string" || typeof value.running !== "boolean") {
      throw unexpected("query-status");
    }
    return { status: value.status, running: value.running };
  },
  stop: nothing,
  cont: nothing,
  system_powerdown: nothing,
  "migrate-set-capabilities": nothing,
  migrate: nothing,
  "migrate-incoming": nothing,
  "dump-guest-memory": nothing,
  getfd: nothing,
  closefd: nothing,
  "add-fd": (value) => {
    const id = isRecord(value) ? value["fdset-id"] : undefined;
    if (typeof id !== "number" || !Number.isInteger(id)) throw unexpected("add-fd");
    return id;
  },
  "remove-fd": nothing,
  quit: nothing,
  ...hotplugResults,
};

/** Events that we handle; others become `other`. */
export type QmpEvent =
  /**
   * `guest` is false if we requested the shutdown. `reason` is e.g. `guest-shutdown`, `guest-reset`, `host-qmp-quit`.
   */
  | { readonly name: "SHUTDOWN"; readonly guest: boolean; readonly reason: string }
  | { readonly name: "GUEST_PANICKED" }
  | { readonly name: "STOP" }
  /** A `MigrationStatus`, e.g. `active`, `completed`, `failed`. */
  | { readonly name: "MIGRATION"; readonly status: string }
  | { readonly name: "RESUME" }
  | DeviceEvent
  | { readonly name: "other"; readonly event: string };

export function eventOf(name: string, data: unknown): QmpEvent {
  const fields = isRecord(data) ? data : {};
  switch (name) {
    case "SHUTDOWN":
      return { name, guest: fields.guest === true, reason: String(fields.reason ?? "unknown") };
    case "MIGRATION":
      return { name, status: String(fields.status ?? "unknown") };
    case "GUEST_PANICKED":
    case "STOP":
    case "RESUME":
      return { name };
    case "DEVICE_DELETED":
      return { name, device: String(fields.device ?? ""), path: String(fields.path ?? "") };
    case "DEVICE_UNPLUG_GUEST_ERROR":
      return { name, device: String(fields.device ?? "") };
    case "ACPI_DEVICE_OST": {
      const info = isRecord(fields.info) ? fields.info : {};
      return { name, device: String(info.device ?? ""), source: Number(info.source), status: Number(info.status) };
    }
    default:
      return { name: "other", event: name };
  }
}

function nothing(): Nothing {
  return {};
}

function unexpected(command: string): KumiteError {
  return new KumiteError("hypervisor/protocol", `qemu gave an unexpected answer to ${command}`);
}
