/**
 * A running QEMU with its daemons. Watches all of them and ends them together; the first one to end determines why the
 * VM ended.
 */
import type { ByteStream, Listener, Os } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import { concat } from "../../util/bytes.ts";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";
import type { Scope } from "../../util/scope.ts";
import type { GuestConsole, GuestShare, RunningVm, StartContext, VmExit, VmSnapshots } from "../driver.ts";
import { LineTail } from "../line-tail.ts";
import { refusedMemoryHint } from "../memory-hint.ts";
import type { MachinePlug } from "../plug.ts";
import type { Program } from "../program.ts";
import type { GuestFiles, SharedDirectory } from "../spec.ts";
import { deathsOf } from "./daemon-deaths.ts";
import { PciPlaces } from "./hotplug/pci-places.ts";
import { QemuPlug } from "./hotplug/qemu-plug.ts";
import { ScsiUnits } from "./hotplug/scsi-units.ts";
import { type QemuMachine, rootBusOf } from "./machine.ts";
import { dumpMemory } from "./memory-dump.ts";
import type { MemoryDumpOptions } from "./options.ts";
import { qemuFd } from "./plan-machine.ts";
import { QmpClient } from "./qmp/client.ts";
import type { QmpEvent } from "./qmp/commands.ts";
import { DeviceEvents } from "./qmp/device-events.ts";
import { firstCommands, migrationCapabilities } from "./qmp/first-commands.ts";

/** QEMU greets within 50 ms of its start when the host is idle. */
const greetingTimeoutMs = 30_000;
/** How long QEMU may take to write back the guest's disks before it is killed. */
const quitTimeoutMs = 5_000;
/** For transferring the state of a few hundred kilobytes; memory is not included. */
const migrationTimeoutMs = 30_000;
/** QEMU's name for the socket to which it writes the state. */
const stateFd = "state";
const maxStateBytes = 64 * 1024 * 1024;
/** How long the remaining output of a dead QEMU may take to arrive. */
const restTimeoutMs = 2_000;
/** A daemon ends normally after QEMU. If QEMU is still alive after this time, the daemon ended first. */
const qemuFirstMs = 5_000;

export interface QemuVmParts {
  readonly os: Os;
  readonly id: string;
  /** For errors, because QEMU's own messages do not name the files. */
  readonly guest: Pick<GuestFiles, "kernel" | "initrd" | "image">;
  readonly machine: QemuMachine;
  /** The board supports snapshots. */
  readonly saves: boolean;
  /** The board supports hotplug. */
  readonly grows: boolean;
  /** The VM is restored from the state in `qemuFd.state`. */
  readonly restores: boolean;
  readonly qemu: Program;
  readonly daemons: readonly Program[];
  /** Ends the processes and removes the files. */
  readonly resources: Scope;
  readonly context: StartContext;
  /** Maximum message size of 9p. */
  readonly messageBytes: number;
  /** Options about virtiofsd for the agent. */
  readonly namesOptions: readonly string[];
  /** If `undefined`, a guest that panics ends at once. */
  readonly memoryDump: MemoryDumpOptions | undefined;
  /** Copies the guest's console to the log. */
  readonly debug: boolean;
}

export class QemuVm implements RunningVm {
  readonly snapshots?: VmSnapshots;
  readonly pid: number;
  readonly agentChannel: ByteStream;
  readonly console: GuestConsole;
  readonly exited: Promise<VmExit>;
  readonly #parts: QemuVmParts;
  readonly #console: LineTail;
  readonly #exited = deferred<VmExit>();
  /** The result of the current or last migration. */
  #migrated = deferred<string>();
  readonly #devices = new DeviceEvents();
  #monitor: QmpClient | undefined;
  #plug: MachinePlug | undefined;
  #cause: VmExit | undefined;
  #shutdown: Extract<QmpEvent, { name: "SHUTDOWN" }> | undefined;
  #ending: Promise<void> | undefined;

  constructor(parts: QemuVmParts) {
    const { qemu, daemons, context, debug } = parts;
    this.#parts = parts;
    this.pid = qemu.child.pid;
    this.agentChannel = qemu.stream(qemuFd.agent);
    this.exited = this.#exited.promise;
    if (parts.saves) {
      this.snapshots = { save: (socket, signal) => this.#save(socket, signal) };
    }
    this.#console = new LineTail(qemu.stream(qemuFd.console), (line) => {
      context.onConsoleLine?.(line);
      if (debug) context.log("debug", "console", { line });
    });
    this.console = {
      listen: (listener) => this.#console.listen(listener),
      type: (bytes) => qemu.stream(qemuFd.console).write(bytes),
    };
    void this.#watchQemu();
    for (const daemon of daemons) void this.#watchDaemon(daemon);
  }

  /**
   * Resolves when QEMU accepts commands.
   * @throws KumiteError `hypervisor/start-failed` with QEMU's output if it ends before
   */
  async ready(): Promise<void> {
    const { os, id, qemu, context, guest, machine, restores } = this.#parts;
    const { signal } = context;
    const connected = QmpClient.connect(
      qemu.stream(qemuFd.monitor),
      firstCommands(restores),
      { onEvent: (event) => this.#take(event), log: (message, fields) => context.log("debug", message, fields) },
      { timeoutMs: greetingTimeoutMs, signal },
    );
    try {
      const [monitor] = await Promise.all([
        connected, // The guest runs by itself when its state is there.
        restores ? this.#migration("restoring the VM", signal) : undefined,
      ]);
      this.#monitor = monitor;
      if (this.#parts.grows) this.#plug = this.#plugOf(this.#monitor);
    } catch (cause) {
      if (context.signal.aborted) throw cause;
      // If QEMU rejects its arguments, it disconnects; the reason is in its last output.
      const exit = this.#cause ?? (await this.#soon(this.exited));
      const detail = exit?.reason === "died" ? await this.#reasonOf(`${exit.process} ${exit.detail}`) : cause;
      const files = `${guest.kernel} and ${guest.initrd ?? guest.image?.path}`;
      const { sizeMiB, growth } = machine.memory;
      const hint = await refusedMemoryHint(os, messageOf(detail), { sizeMiB, maxMiB: growth?.maxMiB });
      throw new KumiteError("hypervisor/start-failed", `sandbox ${id}: the VM did not start`, {
        phase: "hypervisor.start",
        hint:
          hint ??
          `see \`kumite check\`, look at ${files}; enable_debug = true in [hypervisor.qemu] logs QEMU's command line`,
        data: { console: this.consoleTail(5) },
        cause: detail,
      });
    }
  }

  async #reasonOf(said: string): Promise<Error> {
    const deaths = said.includes("vhost-user") ? await deathsOf(this.#parts.daemons) : undefined;
    return new Error(said, { cause: deaths });
  }

  /** `undefined` until `ready` has resolved. */
  get plug(): MachinePlug | undefined {
    return this.#plug;
  }

  consoleTail(lines: number): string[] {
    return this.#console.last(lines);
  }

  guestShare({ tag, by }: SharedDirectory): GuestShare {
    if (by !== "9p") {
      const driverOptions = this.#parts.namesOptions;
      return { driver: "virtio-fs", source: tag, fstype: "virtiofs", options: [], driverOptions };
    }
    // No caching, because another VM or the host may change the files. `mmap` caches only writable mappings.
    const options = ["trans=virtio", "version=9p2000.L", "cache=mmap", `msize=${this.#parts.messageBytes}`];
    return { driver: "9p", source: tag, fstype: "9p", options };
  }

  async pause(signal?: AbortSignal): Promise<void> {
    await this.#connected().execute("stop", {}, { signal });
  }

  async resume(signal?: AbortSignal): Promise<void> {
    await this.#connected().execute("cont", {}, { signal });
  }

  #connected(): QmpClient {
    if (this.#monitor !== undefined) return this.#monitor;
    throw new KumiteError("internal", `sandbox ${this.#parts.id}: the monitor is not connected`);
  }

  async stop(signal?: AbortSignal): Promise<void> {
    await raceAbort(this.#end({ reason: "stopped" }), signal);
  }

  /** The first cause counts. Resolves when everything is gone. */
  #end(cause: VmExit): Promise<void> {
    this.#cause ??= cause;
    this.#ending ??= this.#endAll(this.#cause);
    return this.#ending;
  }

  async #endAll(cause: VmExit): Promise<void> {
    const { qemu, resources, context } = this.#parts;
    if (cause.reason === "stopped") await this.#quit(qemu);
    for (const { name, error } of await resources.close()) {
      context.log("warn", `ending the VM: ${name} failed`, { error: String(error) });
    }
    this.#exited.resolve(cause);
  }

  /** Shuts down in order, so that disks are written back. Whatever remains is killed afterwards. */
  async #quit(qemu: Program): Promise<void> {
    const ended = async (): Promise<void> => {
      // QEMU may end before it answers.
      await this.#monitor?.execute("quit", {}, { timeoutMs: quitTimeoutMs }).catch(() => {});
      if (this.#monitor !== undefined) await qemu.child.exited;
    };
    await withDeadline(quitTimeoutMs, "qemu's own end", ended).catch(() => {
      this.#parts.context.log("warn", "qemu did not end when asked to, and is killed");
    });
  }

  async #watchQemu(): Promise<void> {
    const detail = await this.#parts.qemu.death();
    // Both streams end with the process, but a SHUTDOWN event or the kernel's last output may still be in flight.
    await this.#soon(Promise.all([this.#monitor?.closed, this.#console.ended]));
    await this.#end(this.#causeOfExit(detail));
  }

  #causeOfExit(detail: string): VmExit {
    if (this.#shutdown?.guest !== true) return { reason: "died", process: "qemu", detail };
    if (this.#shutdown.reason === "guest-shutdown") return { reason: "guest-shutdown" };
    // A kernel that panics resets the VM.
    return { reason: "died", process: "guest", detail: `reset itself: ${this.#lastWords()}` };
  }

  async #watchDaemon(daemon: Program): Promise<void> {
    const detail = await daemon.death();
    // Without its file system a guest hangs, so the VM ends with its daemon, unless the daemon ended because QEMU did.
    if ((await daemon.child.exited).kind === "exited" && (await this.#qemuEndsSoon())) return;
    await this.#end({ reason: "died", process: daemon.key, detail });
  }

  async #qemuEndsSoon(): Promise<boolean> {
    const gone = this.#parts.qemu.child.exited.then(() => true);
    return await withDeadline(qemuFirstMs, "qemu's end", () => gone).catch(() => false);
  }

  #take(event: QmpEvent): void {
    switch (event.name) {
      case "SHUTDOWN":
        this.#shutdown = event;
        return;
      case "GUEST_PANICKED":
        if (this.#parts.memoryDump !== undefined) void this.#endAfterPanic(this.#parts.memoryDump);
        return;
      case "MIGRATION":
        if (event.status === "completed" || event.status === "failed") this.#migrated.resolve(event.status);
        return;
      case "DEVICE_DELETED":
      case "DEVICE_UNPLUG_GUEST_ERROR":
      case "ACPI_DEVICE_OST":
        this.#devices.take(event);
        return;
    }
  }

  #plugOf(monitor: QmpClient): MachinePlug {
    const { os, machine, context } = this.#parts;
    const { backing, growth } = machine.memory;
    return new QemuPlug(os, {
      monitor,
      accelerator: machine.accelerator,
      events: this.#devices,
      // The root bus of PCI Express does not support hotplug.
      places: new PciPlaces(monitor, machine.type === "pc" ? rootBusOf(machine.type) : undefined),
      scsiUnits: new ScsiUnits(machine.devices.filter(({ kind }) => kind === "scsi-disk").length),
      memory: { backing, growth },
      log: (level, message, fields) => context.log(level, message, fields),
    });
  }

  /** QEMU has paused the guest at the panic. */
  async #endAfterPanic(options: MemoryDumpOptions): Promise<void> {
    const { os, id, context } = this.#parts;
    try {
      if (this.#monitor === undefined) throw new Error("the monitor is not connected");
      const file = await dumpMemory(os, this.#monitor, id, options);
      context.log("info", "the memory of the guest that panicked was saved", { file });
    } catch (error) {
      context.log("error", "the memory of the guest that panicked could not be saved", { reason: messageOf(error) });
    }
    await this.#end({ reason: "died", process: "guest", detail: `panicked: ${this.#lastWords()}` });
  }

  /** A panicking kernel prints a long trace after the line with the reason. */
  #lastWords(): string {
    const said = this.consoleTail(100);
    return said.findLast((text) => text.includes("Kernel panic")) ?? said.at(-1) ?? "it said nothing";
  }

  async #save(socket: string, signal: AbortSignal): Promise<Uint8Array> {
    const { context, os } = this.#parts;
    const monitor = this.#connected();
    this.#migrated = deferred();
    await context.willMake({ kind: "file", path: socket });
    const listener = await os.sockets.listen(socket, 0o600);
    try {
      await monitor.executeWith(
        os.sockets,
        { kind: "connect", path: socket },
        "getfd",
        { fdname: stateFd },
        { signal },
      );
      const state = collect(listener, signal);
      // If the migration fails, this fails too, but with a less specific error.
      state.catch(() => {});
      await Promise.all([
        monitor.execute("migrate-set-capabilities", migrationCapabilities, { signal }),
        monitor.execute("migrate", { uri: `fd:${stateFd}` }, { signal }),
        this.#migration("saving the VM", signal),
      ]);
      const bytes = await state;
      await this.#migrationOver(monitor);
      return bytes;
    } finally {
      await listener.close();
    }
  }

  /** QEMU reports the completion before it is finished, and would refuse to resume the guest. */
  async #migrationOver(monitor: QmpClient): Promise<void> {
    const look = async (): Promise<void> => {
      const { status } = await monitor.execute("query-status", {});
      if (status === "finish-migrate") throw new KumiteError("hypervisor/protocol", "the migration has not ended");
    };
    await retry(look, { what: "finishing the migration", timeoutMs: migrationTimeoutMs, firstPauseMs: 1 });
  }

  async #migration(what: string, signal: AbortSignal): Promise<void> {
    const ended = () => Promise.race([this.#migrated.promise, this.#gone()]);
    const status = await withDeadline(migrationTimeoutMs, what, ended, signal);
    if (status !== "completed") throw new KumiteError("hypervisor/protocol", `${what} ${status}`);
  }

  /** Rejects when the VM has ended. */
  async #gone(): Promise<never> {
    const exit = await this.exited;
    const how = exit.reason === "died" ? `${exit.process} ${exit.detail}` : exit.reason;
    throw new KumiteError("hypervisor/exited", `sandbox ${this.#parts.id}: the VM has ended: ${how}`);
  }

  async #soon<T>(promise: Promise<T>): Promise<T | undefined> {
    return await withDeadline(restTimeoutMs, "the rest", () => promise).catch(() => undefined);
  }
}

/** All bytes of the single expected connection. */
async function collect(listener: Listener, signal: AbortSignal): Promise<Uint8Array> {
  for await (const stream of listener) {
    try {
      const parts: Uint8Array[] = [];
      let length = 0;
      for (let part = await stream.read(signal); part !== undefined; part = await stream.read(signal)) {
        parts.push(part);
        length += part.length;
        if (length > maxStateBytes) throw new KumiteError("hypervisor/protocol", "the VM's saved state is too large");
      }
      return concat(parts);
    } finally {
      stream.close();
    }
  }
  throw new KumiteError("hypervisor/protocol", "qemu did not write the VM's state");
}
