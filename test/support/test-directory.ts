/**
 * Temporary directories of the tests with VMs and engines. The name of each contains the pid of its test process, so
 * that what a killed run left can be recognised and removed (`sweep.ts`).
 */
import { mkdtempSync, readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const prefix = "kumite-test-";
/** After the prefix: the name, the pid, and what mkdtemp adds. */
const pattern = /^kumite-test-(?<name>.+)-(?<pid>\d+)-(?<suffix>[A-Za-z0-9]{6})$/;

export interface TestDirectory {
  readonly path: string;
  readonly pid: number;
  /** Contained in the ids of its containers, and in no other id. */
  readonly idPart: string;
}

/** @param pid of the process that will remove it; for tests of the sweep */
export function makeTestDirectory(name: string, pid = process.pid): string {
  return mkdtempSync(testDirectoryPrefix(name, pid));
}

/** The beginning of the paths of all test directories with this name and pid. */
export function testDirectoryPrefix(name: string, pid = process.pid): string {
  return path.join(os.tmpdir(), `${prefix}${name}-${pid}-`);
}

/** `undefined` for a path that `makeTestDirectory` did not make. */
export function testDirectoryAt(file: string): TestDirectory | undefined {
  const { name, pid, suffix } = pattern.exec(path.basename(file))?.groups ?? {};
  if (name === undefined || pid === undefined) return undefined;
  return { path: file, pid: Number(pid), idPart: `t.${name}-${suffix}` };
}

export function testDirectories(): TestDirectory[] {
  return readdirSync(os.tmpdir()).flatMap((entry) => testDirectoryAt(path.join(os.tmpdir(), entry)) ?? []);
}
