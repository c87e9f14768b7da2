/** What every verb receives. */
import type { Os } from "../sys/os.ts";
import type { Logger } from "../util/log.ts";
import type { Interruption } from "./interruption.ts";
import type { Output } from "./output/output.ts";

export interface VerbContext {
  readonly os: Os;
  /** Directory for the state of containers, absolute. */
  readonly root: string;
  /** Configuration file from a flag or the environment, absolute. `undefined`: the system's file. */
  readonly config: string | undefined;
  /** `TABLE.KEY=VALUE` settings for this call only. */
  readonly overrides: readonly string[];
  readonly debug: boolean;
  /** Format of every log, including the shim's. */
  readonly logFormat: "text" | "json";
  readonly log: Logger;
  readonly output: Output;
  /** Reports a failure that does not end the verb, or one of several; the verb throws its own. Never rejects. */
  readonly tellFailure: (error: unknown) => Promise<void>;
  readonly interruption: Interruption;
}
