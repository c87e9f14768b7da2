/**
 * The positions of keys in a TOML document. The parser returns values without positions, so the text is scanned again.
 * This is simple for a text that has been parsed: only strings and brackets have to be recognized, not values. For a
 * text that is not TOML the result is incomplete, which does no harm.
 */

export interface Position {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

type Path = readonly (string | number)[];

export class Positions {
  readonly #text: string;
  readonly #offsets: ReadonlyMap<string, number>;
  #lineStarts: readonly number[] | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#offsets = new Walk(text).document();
  }

  /** The position of a key or of a table's header, otherwise that of the nearest enclosing one. */
  of(path: Path): Position | undefined {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsets.get(idOf(path.slice(0, length)));
      if (offset !== undefined) return this.#positionAt(offset);
    }
    return undefined;
  }

  #positionAt(offset: number): Position {
    this.#lineStarts ??= lineStartsOf(this.#text);
    const starts = this.#lineStarts;
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  }
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function idOf(path: Path): string {
  return path.join("\0");
}

/** Thrown for a text that the parser would have refused. */
class Lost extends Error {}

class Walk {
  readonly #text: string;
  readonly #offsets = new Map<string, number>();
  /** Number of entries in each list of tables. */
  readonly #entries = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): ReadonlyMap<string, number> {
    let table: Path = [];
    try {
      for (;;) {
        this.#skip(/[\s]*(?:#[^\n]*\s*)*/y);
        if (this.#at >= this.#text.length) break;
        if (this.#next() === "[") table = this.#header();
        else this.#pair(table, 0);
      }
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
    return this.#offsets;
  }

  #header(): Path {
    const start = this.#at;
    const listed = this.#text.startsWith("[[", start);
    this.#at += listed ? 2 : 1;
    const names = this.#key();
    this.#at += listed ? 2 : 1;
    const path = this.#inEntries(listed ? names.slice(0, -1) : names);
    if (!listed) return this.#note(path, start);
    const list = [...path, ...names.slice(-1)];
    const count = this.#entries.get(idOf(list)) ?? 0;
    this.#entries.set(idOf(list), count + 1);
    this.#note(list, start);
    return this.#note([...list, count], start);
  }

  /** A list of tables in the middle of a name stands for its last entry. */
  #inEntries(names: readonly string[]): Path {
    const path: (string | number)[] = [];
    for (const name of names) {
      path.push(name);
      const count = this.#entries.get(idOf(path));
      if (count !== undefined) path.push(count - 1);
    }
    return path;
  }

  #pair(table: Path, depth: number): void {
    this.#skip(/\s*/y);
    const start = this.#at;
    const path = [...table, ...this.#key()];
    this.#note(path, start);
    this.#skip(/[ \t]*=[ \t]*/y);
    this.#value(path, depth);
  }

  /** Reads a dotted key and the blanks after it. */
  #key(): string[] {
    const parts: string[] = [];
    for (;;) {
      // No key of a configuration has that many parts. The limit bounds the work, as each prefix is looked up.
      if (parts.length > 100) throw new Lost();
      this.#skip(/[ \t]*/y);
      const quote = this.#next();
      if (quote === '"' || quote === "'") parts.push(this.#quoted(quote));
      else parts.push(this.#match(/[\w-]+/y));
      this.#skip(/[ \t]*/y);
      if (this.#next() !== ".") return parts;
      this.#at++;
    }
  }

  #quoted(quote: string): string {
    const word = this.#match(quote === '"' ? /"(?:[^"\\\n]|\\.)*"/y : /'[^'\n]*'/y);
    if (quote === "'") return word.slice(1, -1);
    // Some escapes of TOML are not valid in JSON. Then the key's position is not found by its name.
    try {
      return JSON.parse(word) as string;
    } catch {
      return word;
    }
  }

  #value(path: Path, depth: number): void {
    // The parser's limit.
    if (depth > 1000) throw new Lost();
    switch (this.#next()) {
      case '"':
      case "'":
        this.#string();
        return;
      case "[":
        this.#at++;
        this.#items("]", (index) => this.#value([...path, index], depth + 1));
        return;
      case "{":
        this.#at++;
        this.#items("}", () => this.#pair(path, depth + 1));
        return;
      default:
        this.#match(/[^\s,#\]}]+(?: \d[^\s,#\]}]*)?/y);
    }
  }

  #items(end: string, item: (index: number) => void): void {
    for (let index = 0; ; index++) {
      this.#skip(/\s*(?:#[^\n]*\s*)*/y);
      if (this.#next() === end) break;
      item(index);
      this.#skip(/\s*(?:#[^\n]*\s*)*/y);
      if (this.#next() === ",") this.#at++;
      else if (this.#next() !== end) throw new Lost();
    }
    this.#at++;
  }

  #string(): void {
    const quote = this.#next();
    const long = quote.repeat(3);
    if (!this.#text.startsWith(long, this.#at)) {
      this.#quoted(quote);
      return;
    }
    let from = this.#at + 3;
    for (;;) {
      const end = this.#text.indexOf(long, from);
      if (end < 0) throw new Lost();
      if (quote === "'" || !escaped(this.#text, end)) {
        this.#at = end + 3;
        // Up to two quotes may precede the closing three.
        while (this.#next() === quote) this.#at++;
        return;
      }
      from = end + 1;
    }
  }

  #note(path: Path, offset: number): Path {
    const id = idOf(path);
    if (!this.#offsets.has(id)) this.#offsets.set(id, offset);
    return path;
  }

  #next(): string {
    return this.#text.charAt(this.#at);
  }

  #skip(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex;
  }

  /** Matches at least one character. */
  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [word = ""] = pattern.exec(this.#text) ?? [];
    if (word === "") throw new Lost();
    this.#at += word.length;
    return word;
  }
}

function escaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charAt(at - 1 - backslashes) === "\\") backslashes++;
  return backslashes % 2 === 1;
}
