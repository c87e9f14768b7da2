/**
 * Structured logging. Makes lines; where they go is the caller's affair, and nothing here does input or output.
 */
import { stripControls } from "./text.ts";

/**
 * error: what was asked for did not happen. warn: odd but harmless. info: a change in a life cycle. debug: one line per
 * contact with kernel, VMM or agent.
 */
export type LogLevel = "error" | "warn" | "info" | "debug";

export interface LogFields {
  readonly sandbox?: string;
  readonly container?: string;
  readonly phase?: string;
  /** How long it took, in milliseconds. */
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

/** For callers that do not care. */
export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  with: () => silentLogger,
};

/** One JSON object per line with `level`, `msg` and `time`, which engines read, and the fields. */
export function jsonSink(write: (line: string) => void): LogSink {
  return ({ level, msg, timeMs, fields }) => {
    // Ours come last, so that no field can pass for them.
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

/** Engines know the level names of runc. */
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
