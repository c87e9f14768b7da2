/** The agent's log: JSON lines on standard error, which in a machine is its console. */
import { write } from "../sys/linux/file.ts";
import { CLOCK_REALTIME, clockMs } from "../sys/linux/time.ts";
import { createLogger, jsonSink, type Logger, type LogLevel } from "../util/log.ts";
import { encodeUtf8 } from "../util/text.ts";

const standardError = 2;

export function agentLog(level: LogLevel): Logger {
  return createLogger({ level, now: () => clockMs(CLOCK_REALTIME), sink: jsonSink(writeLine) });
}

/** A line that cannot be written is lost: the agent goes on. */
function writeLine(line: string): void {
  try {
    write(standardError, encodeUtf8(line));
  } catch {
    // Nobody is left to tell.
  }
}
