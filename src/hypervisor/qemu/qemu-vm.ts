/**
 * A running QEMU with its daemons: watches all of them, and ends them together.
 * The first one to go decides why the VM is gone.
 */
import type { ByteStream } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import { KumiteError } from "../../util/errors.ts";
import type { Scope } from "../../util/scope.ts";
import type { RunningVm, StartContext, VmExit } from "../driver.ts";
import { LineTail } from "../line-tail.ts";
import type { Program } from "../program.ts";
import type { GuestFiles, SharedDirectory } from "../spec.ts";
import { QmpClient } from "./qmp/client.ts";
import type { QmpEvent } from "./qmp/commands.ts";

/** Descriptors of the QEMU process that we hold the other end of. */
export const qemuFd = { monitor: 3, agent: 4, console: 5 } as const;

/** QEMU greets within 50 ms of its start when the host is idle. */
const greetingTimeoutMs = 30_000;
/** What writing back the guest's disks may take before QEMU is killed. */
const quitTimeoutMs = 5_000;
/** How long the rest of what a dead QEMU wrote may take to arrive. */
const restTimeoutMs = 200;
/** A daemon ends in good order when QEMU goes; this long after, QEMU was not the first. */
const qemuFirstMs = 1_000;

export interface QemuVmParts {
  readonly id: string;
  /** What QEMU was told to start, for errors: it names no files in its own. */
  readonly guest: Pick<GuestFiles, "kernel" | "initrd">;
  readonly qemu: Program;
  readonly daemons: readonly Program[];
  /** Ends the processes and removes the files. */
  readonly resources: Scope;
  readonly context: StartContext;
  /** The guest's console goes to the log. */
  readonly debug: boolean;
}

export class QemuVm implements RunningVm {
  readonly pid: number;
  readonly agentChannel: ByteStream;
  readonly exited: Promise<VmExit>;
  readonly #parts: QemuVmParts;
  readonly #console: LineTail;
  readonly #exited = deferred<VmExit>();
  #monitor: QmpClient | undefined;
  #cause: VmExit | undefined;
  #shutdown: Extract<QmpEvent, { name: "SHUTDOWN" }> | undefined;
  #ending: Promise<void> | undefined;

  constructor(parts: QemuVmParts) {
    const { qemu, daemons, context, debug } = parts;
    this.#parts = parts;
    this.pid = qemu.child.pid;
    this.agentChannel = qemu.stream(qemuFd.agent);
    this.exited = this.#exited.promise;
    this.#console = new LineTail(qemu.stream(qemuFd.console), (line) => {
      if (debug) context.log("debug", "console", { line });
    });
    void this.#watchQemu();
    for (const daemon of daemons) void this.#watchDaemon(daemon);
  }

  /** Resolves when QEMU takes commands. `hypervisor/start-failed` when it ends before, with what it said. */
  async ready(): Promise<void> {
    const { id, qemu, context, guest } = this.#parts;
    const connected = QmpClient.connect(
      qemu.stream(qemuFd.monitor),
      { onEvent: (event) => this.#take(event), log: (message, fields) => context.log("debug", message, fields) },
      { timeoutMs: greetingTimeoutMs, signal: context.signal },
    );
    try {
      this.#monitor = await connected;
    } catch (cause) {
      if (context.signal.aborted) throw cause;
      // A QEMU that refuses its arguments hangs up: why is in its last words.
      const exit = this.#cause ?? (await this.#soon(this.exited));
      const detail = exit?.reason === "died" ? new Error(`${exit.process} ${exit.detail}`) : cause;
      throw new KumiteError("hypervisor/start-failed", `sandbox ${id}: the VM did not start`, {
        phase: "hypervisor.start",
        hint: `check ${guest.kernel} and ${guest.initrd}; enable_debug = true in [hypervisor.qemu] logs QEMU's command line`,
        data: { console: this.consoleTail(5) },
        cause: detail,
      });
    }
  }

  consoleTail(lines: number): string[] {
    return this.#console.last(lines);
  }

  guestShare({ tag }: SharedDirectory): { readonly driver: string; readonly source: string; readonly fstype: string } {
    return { driver: "virtio-fs", source: tag, fstype: "virtiofs" };
  }

  async stop(signal?: AbortSignal): Promise<void> {
    await raceAbort(this.#end({ reason: "stopped" }), signal);
  }

  /** The first cause counts; everything is gone when it resolves. */
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

  /** The orderly way, which writes back disks; whatever is left of it is killed after. */
  async #quit(qemu: Program): Promise<void> {
    const ended = async (): Promise<void> => {
      // QEMU may end before it answers.
      await this.#monitor?.execute("quit", {}, { timeoutMs: quitTimeoutMs }).catch(() => {});
      if (this.#monitor !== undefined) await qemu.child.exited;
    };
    await withDeadline(quitTimeoutMs, "qemu's own end", ended).catch(() => {
      this.#parts.context.log("warn", "qemu did not end when asked to: it is killed");
    });
  }

  async #watchQemu(): Promise<void> {
    const detail = await this.#parts.qemu.death();
    // Both streams end with the process; a SHUTDOWN event or the kernel's last words may still be on their way.
    await this.#soon(Promise.all([this.#monitor?.closed, this.#console.ended]));
    await this.#end(this.#causeOfExit(detail));
  }

  #causeOfExit(detail: string): VmExit {
    if (this.#shutdown?.guest !== true) return { reason: "died", process: "qemu", detail };
    if (this.#shutdown.reason === "guest-shutdown") return { reason: "guest-shutdown" };
    // A kernel that panics resets the machine, after a long trace: the line that says why comes first.
    const said = this.consoleTail(100);
    const line = said.findLast((text) => text.includes("Kernel panic")) ?? said.at(-1) ?? "it said nothing";
    return { reason: "died", process: "guest", detail: `reset itself: ${line}` };
  }

  async #watchDaemon(daemon: Program): Promise<void> {
    const detail = await daemon.death();
    // A guest that gets no answers from its file system hangs: the VM ends with its daemon. But QEMU may be why.
    if ((await daemon.child.exited).kind === "exited" && (await this.#qemuEndsSoon())) return;
    await this.#end({ reason: "died", process: daemon.key, detail });
  }

  async #qemuEndsSoon(): Promise<boolean> {
    const gone = this.#parts.qemu.child.exited.then(() => true);
    return await withDeadline(qemuFirstMs, "qemu's end", () => gone).catch(() => false);
  }

  #take(event: QmpEvent): void {
    if (event.name === "SHUTDOWN") this.#shutdown = event;
  }

  async #soon<T>(promise: Promise<T>): Promise<T | undefined> {
    return await withDeadline(restTimeoutMs, "the rest", () => promise).catch(() => undefined);
  }
}
