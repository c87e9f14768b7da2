/**
 * OCI bundles for tests: a busybox tree and a configuration made from the runtime's own `spec`. Knows nothing about the
 * tests.
 */
import { chown, copyFile, link, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { execute, succeed } from "./command.ts";

/** The parts of a runtime configuration that tests change; the rest is passed through. */
export interface OciConfig {
  ociVersion: string;
  process: {
    terminal: boolean;
    user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
    args: string[];
    env: string[];
    cwd: string;
    capabilities?: Record<CapabilitySet, string[]>;
    rlimits?: { type: string; soft: number; hard: number }[];
    noNewPrivileges?: boolean;
    oomScoreAdj?: number;
    [key: string]: unknown;
  };
  root: { path: string; readonly: boolean };
  hostname: string;
  mounts: { destination: string; type?: string; source?: string; options?: string[] }[];
  linux: {
    namespaces: { type: string; path?: string }[];
    resources?: Record<string, unknown>;
    cgroupsPath?: string;
    maskedPaths?: string[];
    readonlyPaths?: string[];
    [key: string]: unknown;
  };
  annotations?: Record<string, string>;
  [key: string]: unknown;
}

export type CapabilitySet = "bounding" | "effective" | "inheritable" | "permitted" | "ambient";

export interface Bundle {
  readonly directory: string;
  readonly rootfs: string;
  readonly configFile: string;
}

/** A change that a test makes to the configuration of its bundle. */
export type Patch = (config: OciConfig) => void;

/** A command for the container, run by its shell. */
export function shell(script: string): Patch {
  return (config) => {
    config.process.args = ["/bin/sh", "-c", script];
  };
}

/** Makes a bundle below `directory`, which must not exist yet. */
export async function makeBundle(
  directory: string,
  specCommand: readonly string[],
  ...patches: Patch[]
): Promise<Bundle> {
  const bundle = { directory, rootfs: path.join(directory, "rootfs"), configFile: path.join(directory, "config.json") };
  await mkdir(bundle.rootfs, { recursive: true });
  await makeTree(bundle.rootfs);
  await succeed([...specCommand, "spec", "--bundle", directory]);
  const config = JSON.parse(await readFile(bundle.configFile, "utf8")) as OciConfig;
  config.process.terminal = false;
  config.root.readonly = false;
  for (const patch of patches) patch(config);
  await writeConfig(bundle, config);
  return bundle;
}

export async function writeConfig(bundle: Bundle, config: unknown): Promise<void> {
  await writeFile(bundle.configFile, JSON.stringify(config, undefined, 2));
}

/**
 * A minimal system of busybox and three users. Applets are hard links: with symlinks, masking one would mask the shell.
 */
export async function makeTree(rootfs: string): Promise<void> {
  for (const name of ["bin", "dev", "etc", "home/user", "proc", "root", "sys", "tmp", "usr/bin", "var/www"]) {
    await mkdir(path.join(rootfs, name), { recursive: true });
  }
  const busybox = path.join(rootfs, "bin/busybox");
  await copyFile(await busyboxPath(), busybox);
  for (const applet of await applets()) await link(busybox, path.join(rootfs, "bin", applet));
  await writeFile(
    path.join(rootfs, "etc/passwd"),
    users.map((u) => `${u.name}:x:${u.uid}:${u.uid}::${u.home}:/bin/sh\n`).join(""),
  );
  await writeFile(path.join(rootfs, "etc/group"), users.map((u) => `${u.name}:x:${u.uid}:\n`).join(""));
  await chown(path.join(rootfs, "home/user"), 1000, 1000);
}

const users = [
  { name: "root", uid: 0, home: "/root" },
  { name: "user", uid: 1000, home: "/home/user" },
  { name: "www-data", uid: 33, home: "/var/www" },
];

let knownApplets: Promise<readonly string[]> | undefined;

function applets(): Promise<readonly string[]> {
  knownApplets ??= busyboxPath()
    .then((busybox) => succeed([busybox, "--list"]))
    .then(({ stdout }) => stdout.split("\n").filter((name) => name !== "" && name !== "busybox"));
  return knownApplets;
}

let knownBusybox: Promise<string> | undefined;

/** Path of a static busybox on this host. */
export function busyboxPath(): Promise<string> {
  knownBusybox ??= execute(["sh", "-c", "command -v busybox"]).then(({ stdout, status }) => {
    if (status !== 0) throw new Error("no busybox: the tests need the package busybox-static");
    return stdout.trim();
  });
  return knownBusybox;
}
