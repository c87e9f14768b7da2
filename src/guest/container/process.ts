/** A process of a container with its standard streams, under the id that the host gave it. */
import type { ExitStatus } from "../../sys/os.ts";
import type { ProcessIo } from "../stdio/process-io.ts";
import type { BornProcess } from "./born-process.ts";

export class ContainerProcess {
  /** Chosen by the host; for the first process usually the container's id. */
  readonly execId: string;
  readonly born: BornProcess;
  readonly io: ProcessIo;
  /** Resolves when the process has ended and its streams have been notified. */
  readonly exited: Promise<ExitStatus>;

  constructor(execId: string, born: BornProcess, io: ProcessIo) {
    this.execId = execId;
    this.born = born;
    this.io = io;
    this.exited = born.exited.then((status) => {
      io.processEnded();
      return status;
    });
  }

  get hasEnded(): boolean {
    return this.born.status !== undefined;
  }
}
