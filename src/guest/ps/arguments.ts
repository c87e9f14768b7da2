/**
 * The arguments of ps(1) that choose columns: `-ef`, `aux`, `-o pid,args` and the like. The processes shown are always
 * those of the container, whatever the arguments say. Pure.
 */
import { KumiteError } from "../../util/errors.ts";
import { type Column, columns } from "./columns.ts";

export interface PsView {
  readonly columns: readonly Column[];
  readonly titles: boolean;
}

const formats = {
  basic: ["pid", "tty", "time", "cmd"],
  full: ["user=UID", "pid", "ppid", "c", "stime", "tty", "time", "cmd"],
  bsd: ["pid", "tty", "stat", "bsdtime=TIME", "args"],
  user: ["user", "pid", "pcpu", "pmem", "vsz", "rss", "tty", "stat", "start", "bsdtime=TIME", "args"],
} as const;

type Format = keyof typeof formats;

/**
 * Letters behind a dash, and without one, by the format that they choose; `undefined` for those that choose processes.
 */
const unixLetters: Readonly<Record<string, Format | undefined>> = {
  e: undefined,
  A: undefined,
  a: undefined,
  d: undefined,
  w: undefined,
  f: "full",
};
const bsdLetters: Readonly<Record<string, Format | undefined>> = { a: "bsd", x: "bsd", w: undefined, u: "user" };

interface Reading {
  format: Format;
  readonly wanted: string[];
  titles: boolean;
}

/**
 * Without any arguments, as for `-ef`.
 * @throws KumiteError `usage/invalid` for an unknown argument
 */
export function parsePsArguments(args: readonly string[]): PsView {
  const reading: Reading = { format: args.length === 0 ? "full" : "basic", wanted: [], titles: true };
  const words = [...args];
  for (let word = words.shift(); word !== undefined; word = words.shift()) readWord(reading, word, words);
  const wanted = reading.wanted.length > 0 ? reading.wanted : formats[reading.format];
  const chosen = wanted.map(columnOf);
  // If all titles are empty, there is no title line.
  return { columns: chosen, titles: reading.titles && chosen.some(({ title }) => title !== "") };
}

function readWord(reading: Reading, word: string, rest: string[]): void {
  const long = /^--([a-z-]+)(?:=(.*))?$/s.exec(word);
  if (long !== null) {
    readLong(reading, word, long[1] ?? "", long[2] ?? rest);
    return;
  }
  const [, dash = "", letters = ""] = /^(-?)(.*)$/s.exec(word) ?? [];
  // `-aux` is an old habit for `aux`, not separate options.
  const table = dash === "" || /^a?u?x$|^aux+w*$/.test(letters) ? bsdLetters : unixLetters;
  if (letters === "") throw refused(word);
  for (let index = 0; index < letters.length; index++) {
    const letter = letters.charAt(index);
    if (letter === "o") {
      const list = letters.slice(index + 1);
      addColumns(reading, list === "" ? rest.shift() : list, word);
      return;
    }
    if (letter === "h" && dash === "") reading.titles = false;
    else if (!Object.hasOwn(table, letter)) throw refused(word);
    else reading.format = stronger(reading.format, table[letter]);
  }
}

function readLong(reading: Reading, word: string, name: string, value: string | string[]): void {
  switch (name) {
    case "format":
      addColumns(reading, typeof value === "string" ? value : value.shift(), word);
      return;
    case "no-headers":
    case "no-heading":
    case "no-headings":
      reading.titles = false;
      return;
    default:
      throw refused(word);
  }
}

/** Letters such as `ax` and `u` may come in any order, so the more detailed format wins. */
function stronger(now: Format, next: Format | undefined): Format {
  const rank: readonly Format[] = ["basic", "bsd", "full", "user"];
  return next !== undefined && rank.indexOf(next) > rank.indexOf(now) ? next : now;
}

/** Parses `pid,args` or `pid args`. What follows `name=` is a title, including its commas. */
function addColumns(reading: Reading, list: string | undefined, word: string): void {
  if (list === undefined || list === "") throw new KumiteError("usage/invalid", `ps: ${word} needs a list of columns`);
  const titled = /^(.*?)([^,\s=]+=.*)$/s.exec(list);
  const plain = titled === null ? list : (titled[1] ?? "");
  reading.wanted.push(...plain.split(/[,\s]+/).filter((name) => name !== ""));
  // Empty titles may be followed by more columns: `pid=,args=`.
  if (titled === null) return;
  const text = titled[2] ?? "";
  if (/^([^,\s=]+=[,\s]?)+$/.test(text)) reading.wanted.push(...text.split(/[,\s]+/).filter((name) => name !== ""));
  else reading.wanted.push(text);
}

function columnOf(wanted: string): Column {
  const equals = wanted.indexOf("=");
  const name = equals < 0 ? wanted : wanted.slice(0, equals);
  const column = columns.get(name);
  if (column === undefined) {
    throw new KumiteError("usage/invalid", `ps: unknown column ${JSON.stringify(name)}`, {
      hint: `known columns: ${[...columns.keys()].join(", ")}`,
    });
  }
  return equals < 0 ? column : { ...column, title: wanted.slice(equals + 1) };
}

function refused(word: string): KumiteError {
  return new KumiteError("usage/invalid", `ps: argument ${JSON.stringify(word)} is not supported`, {
    hint: "-ef, aux and -o LIST are supported; to use the container's own ps, run it with `kumite exec`",
  });
}
