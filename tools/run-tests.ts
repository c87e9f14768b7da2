/**
 * Runs one kind of tests through node's own runner: `unit` (next to their source, without a VM; those of one source
 * directory share a process) or `vm` (below test/, with real VMs, one file at a time). Further arguments are parts of
 * paths: only matching files run.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { sweepDeadTests } from "../test/support/sweep.ts";

interface Kind {
  readonly directories: readonly string[];
  readonly suffix: string;
  readonly options: readonly string[];
  /** Starting a process and loading the source costs more than most tests do. */
  readonly roomsShareProcess?: true;
}

const repository = resolve(import.meta.dirname, "..");

const kinds: Readonly<Record<string, Kind>> = {
  unit: {
    directories: ["src", "tools", "bench", "fuzz", "test"],
    suffix: ".test.ts",
    // The limit applies to all files of a directory together, on a slow and busy host.
    options: ["--test-concurrency=2", "--test-timeout=900000"],
    roomsShareProcess: true,
  },
  vm: {
    directories: ["test"],
    suffix: ".vm-test.ts",
    // Two VMs at the same time would slow each other down; a hanging one must not take the whole night.
    options: ["--test-concurrency=1", "--test-timeout=900000"],
  },
};

async function main([name = "", ...parts]: readonly string[]): Promise<number> {
  const kind = kinds[name];
  if (kind === undefined) {
    process.stderr.write(`usage: tsx tools/run-tests.ts ${Object.keys(kinds).join("|")} [PART OF A PATH]...\n`);
    return 2;
  }
  const files = (await filesOf(kind)).filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
  if (files.length === 0) {
    process.stderr.write(
      `no ${name} test ${parts.length === 0 ? "is there" : `has ${parts.join(" or ")} in its path`}\n`,
    );
    return 1;
  }
  for (const swept of await sweepDeadTests()) process.stderr.write(`tests: removed what a killed run left: ${swept}\n`);
  const node = ["--import", "tsx", "--test", "--test-reporter=spec", ...kind.options];
  if (kind.roomsShareProcess === undefined) return runNode([...node, ...files]);
  await mkdir(join(repository, "build"), { recursive: true });
  const directory = await mkdtemp(join(repository, "build/unit-tests."));
  try {
    const alone = await filesThatLookAtTheMachine(files);
    const rooms = await modulesOfRooms(
      directory,
      files.filter((file) => !alone.includes(file)),
    );
    const ofLooks = alone.length === 0 ? 0 : await runNode([...node, "--test-concurrency=1", ...alone]);
    const ofRooms = rooms.length === 0 ? 0 : await runNode([...node, ...rooms]);
    if (ofLooks !== 0) process.stderr.write(`above, before all others: ${alone.join(" or ")} failed\n`);
    return ofLooks || ofRooms;
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** They would see another test's things as left-overs. */
async function filesThatLookAtTheMachine(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(join(repository, file), "utf8")));
  return files.filter((_, index) => /from "[^"]*(?:left-overs|vm-suite|driver-suite)\.ts"/.test(texts[index] ?? ""));
}

/**
 * Writes a module for each source directory (`src/config`, `tools`, ...) that runs its files as suites; returns the
 * paths.
 */
async function modulesOfRooms(directory: string, files: readonly string[]): Promise<string[]> {
  const rooms = new Map<string, string[]>();
  for (const file of files) {
    const [top = "", next = ""] = file.split("/");
    const room = top === "src" ? `${top}-${next}` : top;
    rooms.set(room, [...(rooms.get(room) ?? []), file]);
  }
  return Promise.all(
    [...rooms].map(async ([room, members]) => {
      const suites = members.map(
        (file) => `describe(${JSON.stringify(file)}, () => import(${JSON.stringify(join(repository, file))}));\n`,
      );
      const module = join(directory, `${room}.mjs`);
      await writeFile(module, `import { describe } from "node:test";\n${suites.join("")}`);
      return module;
    }),
  );
}

async function filesOf({ directories, suffix }: Kind): Promise<string[]> {
  const lists = await Promise.all(
    directories.map(async (directory) =>
      (await readdir(join(repository, directory), { recursive: true }))
        .filter((file) => file.endsWith(suffix))
        .map((file) => join(directory, file)),
    ),
  );
  return lists.flat().sort();
}

/** Tests check the modes of files, and the caller's umask may be any. */
const umask = 0o022;

function runNode(args: readonly string[]): Promise<number> {
  process.umask(umask);
  return new Promise((settle, reject) => {
    const child = spawn(process.execPath, args, { cwd: repository, stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (status) => settle(status ?? 1));
  });
}

process.exitCode = await main(process.argv.slice(2));
