/** Reports a failure on standard error, and in the log if there is a file. */
import type { CliLog } from "./cli-log.ts";
import { errorFields, errorLine, errorParagraph } from "./error-text.ts";
import type { Output } from "./output.ts";
import { toldError } from "./told-error.ts";

export interface Telling {
  /** For an error that names no phase. */
  readonly phase: string;
  readonly log: CliLog | undefined;
  readonly output: Output;
}

/** Never rejects. */
export async function tellFailure(error: unknown, { phase, log, output }: Telling): Promise<void> {
  const told = toldError(error, phase);
  if (log?.toFile) log.logger.error(errorLine(told), errorFields(told));
  await output.err(errorParagraph(told));
}
