/**
 * The agent's log: JSON lines on standard error, which in a VM is the console. Composing and writing the first line
 * takes an emulated guest longer than mounting a file system. So in a clone, lines wait until its container runs.
 */
import { write } from "../sys/linux/file.ts";
import { CLOCK_REALTIME, clockMs } from "../sys/linux/time.ts";
import { createLogger, jsonSink, type LogEntry, type Logger, type LogLevel } from "../util/log.ts";
import { encodeUtf8 } from "../util/text.ts";

const standardError = 2;

/** How long a line waits at most, in ms. The emulated start of a container takes less, even on a busy host. */
const waitMs = 1000;

export interface AgentLog {
  readonly log: Logger;
  /** From now on lines wait, except errors and the lines before them. */
  readonly wait: () => void;
  /** Writes the lines that wait. To be called before the VM may end or be saved. */
  readonly flush: () => void;
}

export function agentLog(level: LogLevel, writeText: (line: string) => void = writeLine): AgentLog {
  const sink = jsonSink(writeText);
  const waiting: LogEntry[] = [];
  let waits = false;
  const flush = (): void => {
    for (const entry of waiting.splice(0)) sink(entry);
  };
  const take = (entry: LogEntry): void => {
    waiting.push(entry);
    if (!waits || entry.level === "error") flush();
    else if (waiting.length === 1) setTimeout(flush, waitMs);
  };
  const wait = (): void => {
    waits = true;
  };
  return { log: createLogger({ level, now: () => clockMs(CLOCK_REALTIME), sink: take }), wait, flush };
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
