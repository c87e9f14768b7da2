/** `install.json`: what was installed, so that it can be verified by hash before it runs or boots a guest. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../engine/run.ts";
import type { Placed } from "./place.ts";
import { repository } from "./sources.ts";

export interface Manifest {
  /** The product's version, as in package.json. */
  readonly version: string;
  /** Commit of the working tree; `-dirty` marks uncommitted changes, `unknown` a tree without git. */
  readonly commit: string;
  /** Absolute path of the Node that runs the shim. */
  readonly node: string;
  /** Which kernel `vmlinux` is. */
  readonly kernel: "debian" | "tuned";
  /** `uname -r` of the guest. */
  readonly kernelVersion: string;
  /** By file name in the install root. */
  readonly files: Readonly<Record<string, Placed>>;
}

export async function productVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(repository, "package.json"), "utf8")) as { version: string };
  return version;
}

export async function commit(): Promise<string> {
  // The tree often belongs to another user than root, who builds; reading it is no risk here.
  const git = ["-c", `safe.directory=${repository}`, "-C", repository];
  return run("git", [...git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]).then(
    (text) => text.trim(),
    () => "unknown",
  );
}
