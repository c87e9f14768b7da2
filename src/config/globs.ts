/** Shell patterns for paths, by the rules of Go's filepath.Glob, which Kata Containers applies to annotated paths. */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

const longestPath = 4096;

/** Whether `path`, exactly as written, is one of the existing files that the patterns match. */
export async function isGlobbed(os: Os, patterns: readonly string[], path: string): Promise<boolean> {
  if (path.length > longestPath || !patterns.some((pattern) => matchesGlob(pattern, path))) return false;
  try {
    return (await os.files.linkStatus(path)) !== undefined;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return false;
  }
}

/** `*` and `?` match no slash, and a name with wildcards never matches `.` or `..`. Invalid patterns match nothing. */
export function matchesGlob(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  return wanted.length === given.length && wanted.every((part, index) => matchesName(part, given[index] ?? ""));
}

function matchesName(pattern: string, name: string): boolean {
  if (!/[*?[\\]/.test(pattern)) return pattern === name;
  if (name === "." || name === ".." || name === "") return false;
  const regex = regexOf(pattern);
  return regex?.test(name) ?? false;
}

function regexOf(pattern: string): RegExp | undefined {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern.charAt(at);
    if (letter === "*") source += ".*";
    else if (letter === "?") source += ".";
    else if (letter === "[") {
      const list = /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(at));
      if (list === null) return undefined;
      const [whole, not = "", members = ""] = list;
      source += `[${not}${members.replace(/\\(.)|([[\]^])/gs, (_, a?: string, b?: string) => `\\${a ?? b}`)}]`;
      at += whole.length - 1;
    } else if (letter === "\\") {
      at++;
      if (at === pattern.length) return undefined;
      source += escaped(pattern.charAt(at));
    } else source += escaped(letter);
  }
  try {
    return new RegExp(`^(?:${source})$`, "su");
  } catch {
    return undefined;
  }
}

function escaped(letter: string): string {
  return letter.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
