/**
 * Compiles the small C programs of `native/` once per test process, into a directory that is removed with it. They do
 * what a test cannot do from Node: terminals, receiving descriptors, being a subreaper.
 */
import { rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { succeed } from "./command.ts";
import { makeTestDirectory } from "./test-directory.ts";

const sources = path.join(path.dirname(fileURLToPath(import.meta.url)), "native");
const built = new Map<string, Promise<string>>();
let directory: string | undefined;

/** Path of the compiled helper. */
export function nativeHelper(
  name:
    | "terminal"
    | "reaper"
    | "uncover"
    | "gate"
    | "inject"
    | "files"
    | "late"
    | "keyring"
    | "refuse"
    | "swapper"
    | "pages",
): Promise<string> {
  const known = built.get(name);
  if (known !== undefined) return known;
  const building = build(name);
  built.set(name, building);
  return building;
}

async function build(name: string): Promise<string> {
  const target = path.join(homeOfHelpers(), name);
  await succeed([
    "cc",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-o",
    target,
    path.join(sources, `${name}.c`),
    "-lutil",
    "-static",
  ]);
  return target;
}

function homeOfHelpers(): string {
  if (directory === undefined) {
    const made = makeTestDirectory("helpers");
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    directory = made;
  }
  return directory;
}
