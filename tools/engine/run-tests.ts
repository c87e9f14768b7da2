/**
 * Runs the tests that need the small engine: bundles every `*.engine-test.ts` below src into one executable and starts
 * it. An argument selects tests whose title contains it. The exit status is that of the tests; if there is no test at
 * all, this is a failure.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildExecutable } from "./executable.ts";
import { progress } from "./run.ts";

const repository = resolve(import.meta.dirname, "../..");
/** For all tests, which take half a minute on an idle host. */
const limitMs = 15 * 60_000;

async function findTests(): Promise<string[]> {
  const names = await readdir(join(repository, "src"), { recursive: true });
  return names
    .filter((name) => name.endsWith(".engine-test.ts"))
    .sort()
    .map((name) => join(repository, "src", name));
}

/** Includes the other modules, so that tests can start them from their own executable. */
async function build(files: readonly string[], directory: string): Promise<string> {
  const entry = join(directory, "engine-tests.ts");
  const suite = join(repository, "src/sys/engine/testing/run.ts");
  const imports = [...files, suite].map((file) => `import ${JSON.stringify(file)};\n`);
  await writeFile(entry, imports.join(""));
  const output = join(repository, "build/engine-tests");
  await buildExecutable({
    output,
    modules: [
      { name: "engine-tests", entry },
      { name: "engine-fixture", entry: join(repository, "src/sys/engine/testing/fixture.ts") },
      { name: "kumite-launch", entry: join(repository, "src/sys/launch/main.ts") },
      { name: "kumite-helper", entry: join(repository, "src/sys/helper/main.ts") },
      { name: "agent", entry: join(repository, "src/guest/main.ts") },
    ],
  });
  return output;
}

function start(executable: string, args: readonly string[]): Promise<number> {
  // Tests check the modes of files, and the caller's umask may be any.
  process.umask(0o022);
  return new Promise((settle, reject) => {
    const child = spawn(executable, args, { argv0: "engine-tests", stdio: ["ignore", "inherit", "inherit"] });
    const timer = setTimeout(() => {
      progress(`the tests are not done after ${limitMs / 1000} s`);
      child.kill("SIGKILL");
    }, limitMs);
    child.on("error", reject);
    child.on("exit", (status, signal) => {
      clearTimeout(timer);
      if (signal !== null) progress(`the tests were ended by ${signal}`);
      settle(status ?? 1);
    });
  });
}

async function main(): Promise<number> {
  const files = await findTests();
  if (files.length === 0) throw new Error("there are no engine tests below src");
  const directory = await mkdtemp(join(tmpdir(), "kumite-engine-tests-"));
  try {
    return await start(await build(files, directory), process.argv.slice(2));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    progress(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  },
);
