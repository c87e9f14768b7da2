/** One process of a container under the id that the host knows it by, with its standard streams. */
import type { ExitStatus } from "../../sys/os.ts";
import type { ProcessIo } from "../stdio/process-io.ts";
import type { BornProcess } from "./born-process.ts";

export class ContainerProcess {
  /** Chosen by the host; of the first process usually the container's id. */
  readonly execId: string;
  readonly born: BornProcess;
  readonly io: ProcessIo;
  /** Resolves when it has ended; by then its streams know it. */
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
