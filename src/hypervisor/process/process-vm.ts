/** An agent in its own namespaces, used in place of a VM. */
import type { ByteStream } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import { deferred } from "../../util/deferred.ts";
import type { GuestShare, RunningVm, StartContext, VmExit } from "../driver.ts";
import type { Program } from "../program.ts";
import type { SharedDirectory } from "../spec.ts";

/** Descriptors of the agent whose other ends we hold. */
export const processFd = { agent: 3 } as const;

export class ProcessVm implements RunningVm {
  readonly pid: number;
  readonly agentChannel: ByteStream;
  readonly exited: Promise<VmExit>;
  readonly #program: Program;
  readonly #context: StartContext;
  readonly #exited = deferred<VmExit>();
  #cause: VmExit | undefined;
  #ending: Promise<void> | undefined;

  constructor(program: Program, context: StartContext) {
    this.pid = program.child.pid;
    this.agentChannel = program.stream(processFd.agent);
    this.exited = this.#exited.promise;
    this.#program = program;
    this.#context = context;
    void this.#watch();
  }

  consoleTail(lines: number): string[] {
    return this.#program.output.last(lines);
  }

  guestShare({ path }: SharedDirectory): GuestShare {
    return { driver: "bind", source: path, fstype: "bind", options: ["rbind"] };
  }

  async stop(signal?: AbortSignal): Promise<void> {
    await raceAbort(this.#end({ reason: "stopped" }), signal);
  }

  async #watch(): Promise<void> {
    const detail = await this.#program.death();
    const status = await this.#program.child.exited;
    const orderly = status.kind === "exited" && status.status === 0;
    await this.#end(orderly ? { reason: "guest-shutdown" } : { reason: "died", process: "agent", detail });
  }

  /** The first cause counts. Resolves when everything is gone. */
  #end(cause: VmExit): Promise<void> {
    this.#cause ??= cause;
    this.#ending ??= this.#endAll(this.#cause);
    return this.#ending;
  }

  async #endAll(cause: VmExit): Promise<void> {
    try {
      await this.#program.kill();
    } catch (error) {
      this.#context.log("warn", "ending the agent failed", { error: String(error) });
    }
    this.#exited.resolve(cause);
  }
}
