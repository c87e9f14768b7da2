/**
 * The log of one verb: entries go to the file of `--log`, in the order in which they were made. Without it nothing is
 * said, except with `--debug`: standard error may be a container's.
 */
import type { Os } from "../../sys/os.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { createLogger, jsonSink, type Logger, type LogSink, textSink } from "../../util/log.ts";
import type { GlobalFlags } from "../parse.ts";

export interface CliLog {
  readonly logger: Logger;
  /** False when there is no file: what goes to standard error anyway need not be logged there. */
  readonly toFile: boolean;
  /** Resolves when everything that was logged is written. Never rejects. */
  flush(): Promise<void>;
}

/**
 * Makes the file if it is missing, so that a path that cannot be written is known before anything else happens.
 * @param toStderr takes one line
 * @throws KumiteError `usage/invalid`
 */
export async function openLog(
  os: Os,
  flags: Pick<GlobalFlags, "log" | "log-format" | "debug">,
  toStderr: (line: string) => Promise<void>,
): Promise<CliLog> {
  const { log: file, debug } = flags;
  const append = file === undefined ? undefined : appendTo(os, file);
  await append?.("").catch((error: unknown) => {
    throw new KumiteError("usage/invalid", `--log: ${messageOf(error)}`, { hint: "name a file that can be written" });
  });
  const write = append ?? (debug ? toStderr : undefined);
  // What has been written last; a log that cannot be written any more must not end the verb.
  let written = Promise.resolve();
  const later = (line: string): void => {
    written = written.then(() => write?.(line)).catch(() => {});
  };
  const sink: LogSink = write === undefined ? () => {} : sinkOf(flags, later);
  return {
    logger: createLogger({ sink, now: () => os.clock.now(), level: debug ? "debug" : "info" }),
    toFile: file !== undefined,
    flush: () => written,
  };
}

function appendTo(os: Os, file: string): (line: string) => Promise<void> {
  return (line) => os.files.write(file, line, { append: true, mode: 0o640 });
}

function sinkOf(flags: Pick<GlobalFlags, "log-format">, write: (line: string) => void): LogSink {
  return flags["log-format"] === "json" ? jsonSink(write) : textSink(write);
}
