/** Structured logging. Produces lines; the caller writes them. Nothing here does input or output. */
import { stripControls } from "./text.ts";

/**
 * error: a request failed. warn: unexpected but harmless. info: a change in a life cycle. debug: one line per
 * interaction with kernel, VMM or agent.
 */
export type LogLevel = "error" | "warn" | "info" | "debug";

export interface LogFields {
  readonly sandbox?: string;
  readonly container?: string;
  readonly phase?: string;
  /** Duration in milliseconds. */
  readonly ms?: number;
  readonly [name: string]: unknown;
}

export interface LogEntry {
  readonly level: LogLevel;
  readonly msg: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly fields: LogFields;
}

export type LogSink = (entry: LogEntry) => void;

export interface Logger {
  error(msg: string, fields?: LogFields): void;
  warn(msg: string, fields?: LogFields): void;
  info(msg: string, fields?: LogFields): void;
  debug(msg: string, fields?: LogFields): void;
  /** A logger that adds these fields to every entry. */
  with(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly sink: LogSink;
  /** Milliseconds since 1970, normally `os.clock.now`. */
  readonly now: () => number;
  /** The least important level that is written; default `info`. */
  readonly level?: LogLevel;
  readonly fields?: LogFields;
}

export function createLogger({ sink, now, level = "info", fields = {} }: LoggerOptions): Logger {
  const least = order.indexOf(level);
  const write = (of: LogLevel, msg: string, more: LogFields | undefined): void => {
    if (order.indexOf(of) <= least) sink({ level: of, msg, timeMs: now(), fields: { ...fields, ...more } });
  };
  return {
    error: (msg, more) => write("error", msg, more),
    warn: (msg, more) => write("warn", msg, more),
    info: (msg, more) => write("info", msg, more),
    debug: (msg, more) => write("debug", msg, more),
    with: (more) => createLogger({ sink, now, level, fields: { ...fields, ...more } }),
  };
}

/** Discards every entry. */
export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  with: () => silentLogger,
};

/** One JSON object per line: `level`, `msg` and `time`, which engines read, and the fields. */
export function jsonSink(write: (line: string) => void): LogSink {
  return ({ level, msg, timeMs, fields }) => {
    // These three come last, so that no field can replace them.
    const line = { ...fields, level: levelNames[level], msg, time: new Date(timeMs).toISOString() };
    write(`${JSON.stringify(line, plain)}\n`);
  };
}

/** One line of `key=value` pairs per entry. */
export function textSink(write: (line: string) => void): LogSink {
  return ({ level, msg, timeMs, fields }) => {
    const pairs = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}=${quoted(value)}`);
    const time = new Date(timeMs).toISOString();
    write(`time=${quoted(time)} level=${levelNames[level]} msg=${quoted(msg)}${pairs.join("")}\n`);
  };
}

const order: readonly LogLevel[] = ["error", "warn", "info", "debug"];

/** runc's names for the levels, which engines know. */
const levelNames: Readonly<Record<LogLevel, string>> = {
  error: "error",
  warn: "warning",
  info: "info",
  debug: "debug",
};

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return value.message;
  return value;
}

function quoted(value: unknown): string {
  const text = typeof value === "object" ? (JSON.stringify(value, plain) ?? "") : String(value);
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(stripControls(text));
}
