/**
 * A buildah with everything of its own in one temporary directory, and the runtime under test as its runtime. Knows
 * nothing about the tests.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { makeTree } from "../../support/bundle.ts";
import { makeTestDirectory } from "../../support/test-directory.ts";
import { makeContainersHome, ownMountOf, removeContainersHome } from "../containers-home.ts";
import { absoluteRuntime, EngineClient } from "../engine-client.ts";

/** `open` makes this image from a directory tree. */
export const base = "localhost/kumite-base";

export class Buildah extends EngineClient implements AsyncDisposable {
  private constructor(
    readonly directory: string,
    environment: Readonly<Record<string, string>>,
  ) {
    super(["buildah"], environment);
  }

  static async open(): Promise<Buildah> {
    const directory = makeTestDirectory("buildah");
    const runtime = { BUILDAH_ISOLATION: "oci", BUILDAH_RUNTIME: await absoluteRuntime() };
    const buildah = new Buildah(directory, { ...(await makeContainersHome(directory)), ...runtime });
    const tree = path.join(directory, "tree");
    await makeTree(tree);
    const container = await buildah.ask(["from", "scratch"]);
    await buildah.must(["add", container, tree, "/"]);
    await buildah.must(["config", "--env", "PATH=/usr/bin:/bin", "--cmd", "sh", container]);
    await buildah.must(["commit", "--rm", container, base]);
    return buildah;
  }

  get ownMount(): string {
    return ownMountOf(this.directory);
  }

  /** Content of a working container's file, read on the host. */
  async read(container: string, file: string): Promise<string> {
    const mounted = await this.ask(["mount", container]);
    try {
      return await readFile(path.join(mounted, file), "utf8");
    } finally {
      await this.must(["umount", container]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.call(["rm", "--all"]);
    await this.call(["rmi", "--all", "--force"]);
    await removeContainersHome(this.directory);
  }
}
