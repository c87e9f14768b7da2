/**
 * One process of a VM: announced before it exists, its stderr kept, its end known with a reason. Knows nothing of what
 * the program does.
 */
import type { ByteStream, ChildProcess, ExitStatus, Os, ProcessInfo, SpawnRequest } from "../sys/os.ts";
import { throwIfAborted } from "../util/abort.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { memoryKillIn } from "../util/memory-kills.ts";
import { signalNumbers } from "../util/signals.ts";
import type { StartContext } from "./driver.ts";
import { LineTail } from "./line-tail.ts";

const sigkill = signalNumbers.SIGKILL;
const stderr = 2;
const shownLines = 5;
/** How long the last output of a dead program may take to arrive if a child of it still has stderr open. */
const lastWordsMs = 2_000;
const orphanMs = 5_000;

/** Options that differ between the processes of a VM. `noNewPrivileges` is on by default. */
export type ProgramRequest = Omit<SpawnRequest, "parentDeathSignal" | "newSession">;

export interface ProgramOptions {
  /** Called with each line of stderr, without control characters. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export class Program {
  /** Its name in the journal, in errors and in `VmExit`. */
  readonly key: string;
  readonly child: ChildProcess;
  /** The program's stderr. */
  readonly output: LineTail;
  readonly #os: Os;
  readonly #cgroups: readonly string[];

  /** @throws KumiteError `hypervisor/start-failed`, `aborted`, or what `context` throws; no process is left then */
  static async start(
    os: Os,
    context: StartContext,
    key: string,
    request: ProgramRequest,
    options: ProgramOptions = {},
  ): Promise<Program> {
    throwIfAborted(context.signal);
    await context.willMake({ kind: "process", key });
    throwIfAborted(context.signal);
    await context.willSpawn?.(Program.spawnRequest(request));
    context.log("debug", `starting ${key}`, { argv: request.argv.join(" ") });
    const program = new Program(os, key, await spawnProgram(os, key, request), request.cgroups ?? [], options);
    try {
      await context.made(key, { pid: program.child.pid, startTicks: program.child.startTicks });
      throwIfAborted(context.signal);
    } catch (error) {
      await program.kill().catch((failure: unknown) => {
        context.log("warn", `${key} of a failed start did not end`, { error: messageOf(failure) });
      });
      throw error;
    }
    return program;
  }

  /** The spawn request for such a program. */
  static spawnRequest(request: ProgramRequest): SpawnRequest {
    return {
      noNewPrivileges: true,
      ...request,
      descriptors: { ...request.descriptors, [stderr]: { kind: "stream" } },
      parentDeathSignal: sigkill,
    };
  }

  private constructor(
    os: Os,
    key: string,
    child: ChildProcess,
    cgroups: readonly string[],
    { onLine }: ProgramOptions,
  ) {
    this.#os = os;
    this.#cgroups = cgroups;
    this.key = key;
    this.child = child;
    this.output = new LineTail(this.stream(stderr), onLine);
  }

  /** The stream that was requested with this descriptor number. */
  stream(descriptor: number): ByteStream {
    const stream = this.child.streams.get(descriptor);
    if (stream === undefined) throw new KumiteError("internal", `${this.key} has no stream ${descriptor}`);
    return stream;
  }

  /** Resolves when the program has ended, with the reason and the program's last output on one line. Never rejects. */
  async death(): Promise<string> {
    const status = await this.child.exited;
    // A child of the program may still have stderr open, so the wait for its end is limited.
    await withDeadline(lastWordsMs, `the last words of ${this.key}`, () => this.output.ended).catch(() => {});
    const said = this.output.last(shownLines).join("; ");
    const forMemory = isKill(status)
      ? await memoryKillIn((path) => this.#os.files.readText(path), this.#cgroups)
      : undefined;
    return [describeExit(status), forMemory ?? "", said].filter((part) => part !== "").join(": ");
  }

  /**
   * Gives the program `graceMs` to end by itself, then kills it and its children. Resolves when they are gone.
   * Idempotent.
   */
  async kill(graceMs = 0): Promise<void> {
    if (graceMs > 0) await this.#ends(graceMs);
    // Children first: they cannot be found once their parent is gone. A failed signal shows in the wait below.
    const children = await childrenOf(this.#os, this.child.pid);
    await Promise.allSettled(children.map((child) => this.#os.processes.signal(child, sigkill)));
    this.child.kill(sigkill);
    await this.child.exited;
    for (const child of children) await this.#os.processes.waitGone(child);
    // A child born meanwhile dies of its parent-death signal; stderr ends when it does.
    await withDeadline(orphanMs, `waiting for ${this.key}'s children to end`, () => this.output.ended);
    for (const stream of this.child.streams.values()) stream.close();
  }

  async #ends(limitMs: number): Promise<void> {
    await withDeadline(limitMs, `the end of ${this.key}`, () => this.child.exited).catch(() => {});
  }
}

async function spawnProgram(os: Os, key: string, request: ProgramRequest): Promise<ChildProcess> {
  try {
    return await os.processes.spawn(Program.spawnRequest(request));
  } catch (cause) {
    throw new KumiteError("hypervisor/start-failed", `${key} could not be started`, {
      phase: "hypervisor.start",
      data: { path: request.path },
      cause,
    });
  }
}

async function childrenOf(os: Os, pid: number): Promise<ProcessInfo[]> {
  // The kernel may lack this file, or the program may be gone. Then there are no children to find.
  const list = await os.files.readText(`/proc/${pid}/task/${pid}/children`).catch(() => "");
  const pids = list.split(" ").filter((word) => word !== "");
  const infos = await Promise.all(pids.map((child) => os.processes.info(Number(child))));
  return infos.filter((info) => info?.parentPid === pid) as ProcessInfo[];
}

function isKill(status: ExitStatus): boolean {
  return status.kind === "signalled" && status.signal === sigkill;
}

export function describeExit(status: ExitStatus): string {
  return status.kind === "exited" ? `ended with status ${status.status}` : `was killed by signal ${status.signal}`;
}
