/** The origin of a value, and what is wrong with it. Plain data and its texts. */
import { KumiteError } from "../util/errors.ts";
import { oneLine } from "../util/text.ts";

export type Origin =
  | { readonly kind: "built-in" }
  | {
      readonly kind: "file" | "drop-in";
      readonly file: string;
      /** Counts from 1; missing if the position is unknown. */
      readonly line?: number;
      readonly column?: number;
    }
  /** The full `name`. */
  | { readonly kind: "annotation"; readonly name: string }
  | { readonly kind: "command-line"; readonly word: string };

/** For example `/etc/k.toml:3:1`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case "built-in":
      return "built-in";
    case "file":
    case "drop-in":
      return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}:${origin.column}`;
    case "annotation":
      return `annotation ${oneLine(origin.name, 200)}`;
    case "command-line":
      return `--set ${oneLine(origin.word, 200)}`;
  }
}

export interface Problem {
  /**
   * `error`: nothing can start. `unknown`: a key that nobody reads, perhaps misspelled or from another release; it is
   * reported, and an error for `config check`. `notice`: information for the author of the file.
   */
  readonly severity: "error" | "unknown" | "notice";
  readonly origin: Origin;
  /** With its table, e.g. `hypervisor.qemu.path`. */
  readonly key?: string;
  /** A sentence that names the key and follows the place. */
  readonly reason: string;
  /** What to do. */
  readonly hint?: string;
  /** Orders errors the way Kata Containers encounters them. A start fails with the first one. */
  readonly rank?: number;
}

/** The order of Kata Containers, with gaps. */
export const rank = {
  decoding: 0,
  network: 10,
  path: 20,
  kernel: 21,
  initrd: 22,
  image: 23,
  bothOrNeither: 24,
  firmware: 25,
  blockDriver: 26,
  vsock: 27,
  hypervisor: 28,
  proxy: 30,
  agent: 31,
  shim: 32,
  networkNamespace: 40,
  machine: 41,
  factory: 42,
  other: 50,
} as const;

export type Report = (problem: Problem) => void;

/** The place and what is wrong. Some of Kata's reasons begin with the place, which is not repeated then. */
export function problemText({ origin, reason }: Problem): string {
  if (origin.kind === "built-in") return reason;
  const place = originText(origin);
  return reason.startsWith(place) ? reason : `${place}: ${reason}`;
}

/** The errors among the problems, ordered by rank. */
export function errorsIn(problems: readonly Problem[]): Problem[] {
  const errors = problems.filter(({ severity }) => severity === "error");
  return errors.sort((a, b) => (a.rank ?? rank.other) - (b.rank ?? rank.other));
}

/** The first error, and the number of others. */
export function configError([first, ...others]: readonly Problem[]): KumiteError {
  if (first === undefined) return new KumiteError("internal", "a configuration was refused without an error");
  const { origin, key, hint = "correct the key, or remove it to use the default" } = first;
  const file = origin.kind === "file" || origin.kind === "drop-in" ? origin.file : undefined;
  const more = others.length === 0 ? "" : `; \`kumite config check\` shows ${others.length} more`;
  return new KumiteError("config/invalid", problemText(first), {
    phase: "config.load",
    hint: `${hint}${more}`,
    data: {
      ...(file !== undefined && { file }),
      ...("line" in origin && { line: origin.line }),
      ...(key !== undefined && { key }),
    },
  });
}
