/** The shim's log. The shim's starter decides where the log goes; its size is limited here. */
import { createLogger, jsonSink, type Logger, textSink } from "../util/log.ts";

/** The guest can make the shim log lines, but must not fill the disk. */
const maxLogBytes = 4 * 1024 * 1024;

export interface ShimLogOptions {
  readonly write: (line: string) => void;
  readonly now: () => number;
  readonly format: "text" | "json";
  readonly debug: boolean;
  readonly sandbox: string;
}

export function shimLog({ write, now, format, debug, sandbox }: ShimLogOptions): Logger {
  const bounded = boundedWrite(write, maxLogBytes);
  return createLogger({
    sink: format === "json" ? jsonSink(bounded) : textSink(bounded),
    now,
    level: debug ? "debug" : "info",
    fields: { sandbox },
  });
}

/** Writes lines up to a limit, in characters. The first line beyond the limit is replaced by a line that says so. */
export function boundedWrite(write: (line: string) => void, limit: number): (line: string) => void {
  let written = 0;
  let full = false;
  return (line) => {
    if (full) return;
    written += line.length;
    full = written > limit;
    write(full ? "the log is full: nothing more is written\n" : line);
  };
}
