/**
 * The first process of a clone's first container, created in advance by the template's agent: in a pid namespace of its
 * own and in the cgroup that is ready for this container, with pipes as its standard streams. It waits for its steps.
 * Creating a process takes a tenth of the code that an emulated clone runs up to its container's program.
 */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { SIGKILL } from "../../sys/linux/signal.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import { closeStreams, giveEnds, openPipes, type Pipes } from "../stdio/streams.ts";
import { StepWriter, step } from "../steps/writer.ts";
import { type BirthBySteps, bear, type NewProcess } from "./birth.ts";
import { awaitReady } from "./set-up.ts";

/** The process has room for as many bytes (birth.c), less what is added to steps and filter here. */
const mostBytes = 167 * 1024;

/**
 * CLONE_NEW* of what it is in. Its mount namespace it makes when it starts, so that it has the mounts of that moment.
 */
export const readyNamespaces = namespaceFlag.pid | namespaceFlag.mount;

/** What it is told to do. */
export type ReadyTask = Omit<BirthBySteps, "standard" | "container">;

export class ReadyProcess {
  readonly #born: NewProcess;
  readonly #pipes: Pipes;

  private constructor(born: NewProcess, pipes: Pipes) {
    this.#born = born;
    this.#pipes = pipes;
  }

  /** @param cgroup its directory */
  static async bear(cgroup: string, pipeSizeBytes: number, signal: AbortSignal): Promise<ReadyProcess> {
    const cgroupFd = openDirectory(cgroup);
    const pipes = openPipes(0, pipeSizeBytes);
    let ready: ReadyProcess | undefined;
    try {
      const steps = new StepWriter();
      steps.add(step.take);
      const by = { steps: steps.bytes(), standard: pipes.child.standard };
      const born = bear({ newNamespaces: namespaceFlag.pid, pidNamespace: undefined, cgroupFd, by });
      ready = new ReadyProcess(born, pipes);
      await awaitReady(born, signal);
      return ready;
    } catch (error) {
      if (ready === undefined) closePipes(pipes);
      else await ready.end();
      throw error;
    } finally {
      closeQuietly(cgroupFd);
    }
  }

  /** Whether the process has room for this. */
  static takes({ steps, filter }: ReadyTask): boolean {
    return steps.length + (filter?.program.length ?? 0) <= mostBytes;
  }

  /** Its pipes for a user. The caller owns them from now on. */
  pipesFor(uid: number): Pipes {
    giveEnds(this.#pipes.child.standard, uid);
    return this.#pipes;
  }

  /** Lets it work on the task. The caller owns the process from now on. */
  start({ steps, keyring, personality, filter }: ReadyTask): NewProcess {
    const list = new StepWriter();
    list.add(step.unshare, namespaceFlag.mount);
    if (keyring !== undefined) list.add(step.keyring, keyring);
    if (personality !== undefined) list.add(step.personality, personality);
    if (filter !== undefined) {
      list.add(step.filter, filter.flags, filter.program.length / filterInstructionBytes);
      list.append(filter.program);
    }
    list.append(steps);
    this.#born.control.send(list.bytes());
    return this.#born;
  }

  /** Resolves when it is gone. A pids limit may have room for only one process in the cgroup. */
  async end(): Promise<void> {
    this.#born.process.signal(SIGKILL);
    this.#born.control.close();
    closePipes(this.#pipes);
    await this.#born.process.exited;
  }
}

/** struct sock_filter */
const filterInstructionBytes = 8;

function closePipes({ streams, child }: Pipes): void {
  closeStreams(streams);
  child.close();
}

/** The process, if there is one. */
export class ReadyProcessPlace {
  #process: ReadyProcess | undefined;

  offer(process: ReadyProcess): void {
    this.#process = process;
  }

  /** For the container that has its cgroup. The caller owns it from now on. */
  take(): ReadyProcess | undefined {
    const process = this.#process;
    this.#process = undefined;
    return process;
  }
}
