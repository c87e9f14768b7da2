/** What every verb is given. */
import type { Os } from "../sys/os.ts";
import type { Logger } from "../util/log.ts";
import type { Interruption } from "./interruption.ts";
import type { Output } from "./output/output.ts";

export interface VerbContext {
  readonly os: Os;
  /** Where the state of containers is kept; absolute. */
  readonly root: string;
  /** Configuration file to use, of a flag or of the environment; absolute. `undefined`: the system's. */
  readonly config: string | undefined;
  /** `TABLE.KEY=VALUE` of the configuration, for this call. */
  readonly overrides: readonly string[];
  readonly debug: boolean;
  /** Of every log, the shim's too. */
  readonly logFormat: "text" | "json";
  readonly log: Logger;
  readonly output: Output;
  /** For a failure among several, or one that does not end the verb; the verb's own is thrown. Never rejects. */
  readonly tellFailure: (error: unknown) => Promise<void>;
  readonly interruption: Interruption;
}
