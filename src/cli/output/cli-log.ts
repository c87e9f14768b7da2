/**
 * The log of one verb. Entries go to the file of `--log`, in order. Without that flag nothing is logged, except that
 * `--debug` logs to standard error, which may belong to a container.
 */
import type { Os } from "../../sys/os.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { createLogger, jsonSink, type Logger, type LogSink, textSink } from "../../util/log.ts";
import type { GlobalFlags } from "../parse.ts";

export interface CliLog {
  readonly logger: Logger;
  /** False if there is no log file; then whatever goes to standard error anyway is not logged as well. */
  readonly toFile: boolean;
  /** Resolves when everything logged so far is written. Never rejects. */
  flush(): Promise<void>;
}

/**
 * Creates the file if it is missing, so that a path that cannot be written is reported before anything else happens.
 * @param toStderr writes one line
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
  // The last write. If the log cannot be written any more, the verb continues.
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
