/**
 * A cgroup for one test. It is removed with everything in it, whatever happened to the test; anything that was left in
 * it is still reported.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import path from "node:path";
import { removeCgroup } from "../../src/persist/undo-cgroup.ts";
import { testOs } from "./node-os.ts";

/** The version 1 hierarchy with the cpu controller, if this host has one. */
export const cpuHierarchy = ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"].find((directory) =>
  existsSync(path.join(directory, "cpu.cfs_quota_us")),
);

export interface TestCgroup extends AsyncDisposable {
  readonly path: string;
}

/** @param parent a cgroup of a mounted hierarchy */
export async function testCgroup(parent: string, name: string): Promise<TestCgroup> {
  const directory = path.join(parent, name);
  await mkdir(directory);
  return { path: directory, [Symbol.asyncDispose]: () => removeTestCgroup(directory) };
}

async function removeTestCgroup(directory: string): Promise<void> {
  const failure = await rmdir(directory).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure === undefined) return;
  const left = contentOf(directory);
  await removeCgroup(testOs(), directory, AbortSignal.timeout(60_000));
  throw new Error(`left in ${directory}, and removed now:\n${left.join("\n")}`, { cause: failure });
}

function contentOf(directory: string): string[] {
  const pids = readFileSync(path.join(directory, "cgroup.procs"), "utf8").split("\n");
  const own = pids.filter((pid) => pid !== "").map((pid) => `  process ${pid} in ${directory}`);
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [
    ...own,
    ...below.flatMap(({ name }) => [`  ${path.join(directory, name)}`, ...contentOf(path.join(directory, name))]),
  ];
}
