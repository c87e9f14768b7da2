/** The agent's log: JSON lines on standard error, which in a VM is the console. */
import { write } from "../sys/linux/file.ts";
import { CLOCK_REALTIME, clockMs } from "../sys/linux/time.ts";
import { createLogger, jsonSink, type Logger, type LogLevel } from "../util/log.ts";
import { encodeUtf8 } from "../util/text.ts";

const standardError = 2;

export function agentLog(level: LogLevel): Logger {
  return createLogger({ level, now: () => clockMs(CLOCK_REALTIME), sink: jsonSink(writeLine) });
}

/** In characters. A console is slow, and no useful message is longer. */
const longestLine = 4096;

/** A line that cannot be written is lost; the agent goes on. */
function writeLine(line: string): void {
  const shown = line.length > longestLine ? `${line.slice(0, longestLine - 2)}…\n` : line;
  try {
    write(standardError, encodeUtf8(shown));
  } catch {
    // There is no other place to report the error.
  }
}
