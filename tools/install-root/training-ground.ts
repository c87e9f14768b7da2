/**
 * An installation and a bundle for one container at build time. Its shim is run by a program of our choice. The
 * container prints a line and ends when its input ends. Its VM boots, because a template would outlive a build that is
 * killed.
 */
import { constants, copyFile, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../engine/run.ts";
import { measure } from "./place.ts";

export interface GroundRequest {
  /** Words of the command that runs the shim; its flags follow. */
  readonly shim: readonly string[];
  readonly installRoot: string;
  /** Has `shim.cjs` and `shim.js`. Becomes the install root and the place of everything else. */
  readonly directory: string;
}

const busybox = "/bin/busybox";

/** Returns the words of the command that runs the container in the foreground. */
export async function makeTrainingGround({ shim, installRoot, directory }: GroundRequest): Promise<string[]> {
  const place = (name: string): string => join(directory, name);
  const kumite = place("kumite");
  // The executable finds the installation by its own path.
  await copyFile(join(installRoot, "kumite"), kumite, constants.COPYFILE_FICLONE);
  for (const name of await readdir(installRoot)) {
    if (/^(?:agent|vmlinux|initrd.*\.img)$/.test(name)) await symlink(join(installRoot, name), place(name));
  }
  await writeFile(place("node"), `#!/bin/sh\nshift\nexec ${shim.map(quoted).join(" ")} "$@"\n`, { mode: 0o755 });
  const files = { "shim.cjs": await measure(place("shim.cjs")), "shim.js": await measure(place("shim.js")) };
  const manifest = { version: "0", commit: "unknown", node: place("node"), files };
  await writeFile(place("install.json"), JSON.stringify(manifest));
  await writeFile(place("configuration.toml"), configuration(place));
  await makeBundle(kumite, place("bundle"));
  // Unique among the sandboxes of the host, whose cgroups are named after them.
  const id = basename(directory);
  const flags = ["--root", place("root"), "--config", place("configuration.toml")];
  return [kumite, ...flags, "run", "--bundle", place("bundle"), id];
}

/** Without a template and with its files in disks, like the VMs whose start should be fast. */
function configuration(place: (name: string) => string): string {
  const lines = [
    "[hypervisor.qemu]",
    'accelerator = "tcg"',
    "[factory]",
    "enable_template = false",
    "[runtime]",
    'rootfs_writes = "guest"',
    `rootfs_image_directory = ${JSON.stringify(place("images"))}`,
    `rootfs_upper_directory = ${JSON.stringify(place("layers"))}`,
  ];
  return `${lines.join("\n")}\n`;
}

interface Spec {
  readonly process: object;
}

async function makeBundle(kumite: string, bundle: string): Promise<void> {
  const program = join(bundle, "rootfs", "busybox");
  await mkdir(join(bundle, "rootfs"), { recursive: true });
  await copyFile(busybox, program);
  await run(kumite, ["spec", "--bundle", bundle]);
  const file = join(bundle, "config.json");
  const spec = JSON.parse(await readFile(file, "utf8")) as Spec;
  const process = { ...spec.process, terminal: false, args: ["/busybox", "sh", "-c", "echo; read line"] };
  await writeFile(file, JSON.stringify({ ...spec, process }));
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
