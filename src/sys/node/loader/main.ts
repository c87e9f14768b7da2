/**
 * The entry of a large program of one file: runs it with the code that V8 made of its text when it was built, which takes a
 * third of the time of reading it anew. `NAME.cjs` is this loader, `NAME.js` the program, `NAME.cache` the code.
 */
import { readFileSync } from "node:fs";
import { Script } from "node:vm";

const entry = process.argv[1] ?? "";
const program = entry.replace(/\.cjs$/, "");

/** For whoever makes the code. */
export const script: Script = compile();

type Main = (exports: object, load: NodeJS.Require, self: NodeJS.Module, file: string) => void;

/** V8 leaves code of another V8, or for other flags, alone: then it is as slow as without. */
function compile(): Script {
  // The text has no character beyond Latin-1, which V8 then keeps as it is.
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

(script.runInThisContext() as Main)(module.exports as object, require, module, `${program}.js`);
