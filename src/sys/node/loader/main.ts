/**
 * The entry of a large single-file program: runs it with code that V8 generated at build time, which takes a third of
 * the time that compiling the text takes. `NAME.cjs` is this loader, `NAME.js` the program, `NAME.cache` the code.
 */
import { readFileSync } from "node:fs";
import { Script } from "node:vm";
import { saveMemory } from "./v8-flags.ts";

const entry = process.argv[1] ?? "";
const program = entry.replace(/\.cjs$/, "");

/** For the build step that creates the code. */
export const script: Script = compile();

type Main = (exports: object, load: NodeJS.Require, self: NodeJS.Module, file: string) => void;

/** V8 ignores code of another version of V8, or for other flags; then loading is as slow as without the code. */
function compile(): Script {
  // The text has only Latin-1 characters, and V8 keeps such a string without conversion.
  const text = readFileSync(`${program}.js`, "latin1");
  const cachedData = readCode();
  return new Script(`(function (exports, require, module, __filename) {${text}\n})`, {
    filename: `${program}.js`,
    ...(cachedData !== undefined && { cachedData }),
  });
}

function readCode(): Buffer | undefined {
  try {
    return readFileSync(`${program}.cache`);
  } catch {
    return undefined;
  }
}

// The build step stays with the flags that Node starts with: under these the next start looks at the code.
if (require.main === module) saveMemory(require);
(script.runInThisContext() as Main)(module.exports as object, require, module, `${program}.js`);
