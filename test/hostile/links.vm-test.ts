/**
 * A guest swaps directories with symbolic links to the host's files, as fast as it can, while containers are created,
 * run and deleted in its VM: the host follows none of them. In one part the writer runs on the host next to the
 * product, where it is fastest; this is realistic, because what a guest writes through its file-sharing daemon is
 * written on the host by root. In the other part it runs in the VM, where the links are made as a guest makes them.
 */
import assert from "node:assert/strict";
import { copyFile, lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { digestTree, type TreeDigest } from "../crash/tree-digest.ts";
import { type Bundle, makeBundle, type Patch, shell } from "../support/bundle.ts";
import { begin, execute, type Finished, type Running } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { asSandbox, inSandbox } from "../support/pod.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

type Created = Pick<Finished, "status" | "stderr">;

const canary = "of the host alone";

const ways = {
  "": { rounds: 12, inMachine: false },
  ", from within a machine,": { rounds: 4, inMachine: true },
} as const;

for (const [how, { rounds, inMachine }] of Object.entries(ways)) {
  describe(`a guest that swaps links in${how}`, onlyKumite, () => {
    let place: Workplace;
    /** Everything that the guest can write to; it has the same path for the writer. */
    let shared: string;
    let secret: string;
    let secretBefore: TreeDigest;
    let data: string;
    let pod: string;
    let swapper: Running;

    before(async () => {
      place = inMachine ? await Workplace.open("links") : await Workplace.withoutMachine("links");
      shared = place.path("shared");
      await mkdir(shared);
      secret = place.path("secret");
      await mkdir(path.join(secret, "deep"), { recursive: true, mode: 0o700 });
      await writeFile(path.join(secret, "canary"), canary, { mode: 0o600 });
      secretBefore = await digestTree(secret);
    });
    after(() => place[Symbol.asyncDispose]());
    beforeEach(async () => {
      data = path.join(shared, path.basename(place.path("data")));
      await mkdir(path.join(data, "sub", "deep"), { recursive: true });
      await writeFile(path.join(data, "sub", "canary"), "of the guest");
      const bundle = await place.bundle(asSandbox(), bind(shared, shared), shell("while :; do sleep 1000; done"));
      await copyFile(await nativeHelper("swapper"), path.join(bundle.rootfs, "bin/swapper"));
      pod = await place.runDetached(bundle);
    });
    afterEach(async () => {
      // The writer swaps until its VM or its container ends.
      await place.remove(pod);
      swapper.child.kill("SIGKILL");
      await swapper.finished;
      await nothingIsMounted();
      assert.deepEqual(await digestTree(secret), secretBefore, "the host's files are as they were");
    });
    guardAgainstLeftOvers(() => ({ directories: [place.root] }));

    async function swap(directory: string, name: string): Promise<void> {
      swapper = inMachine
        ? place.begin(["exec", pod, "/bin/swapper", directory, name, secret])
        : begin([await nativeHelper("swapper"), directory, name, secret]);
      await swapper.untilOutput("swapping");
      const seen = new Set<boolean>();
      await eventually("the host sees both", async () => {
        seen.add((await lstat(path.join(directory, name))).isSymbolicLink());
        return seen.size === 2 ? true : undefined;
      });
    }

    /** A container of the pod, to whose root file system the guest can write. */
    function memberBundle(...patches: Patch[]): Promise<Bundle> {
      if (!inMachine) return place.bundle(inSandbox(pod), ...patches);
      const directory = path.join(shared, path.basename(place.path("bundle")));
      return makeBundle(directory, [runtimePath], inSandbox(pod), ...patches);
    }

    /**
     * Runs and deletes a container of the pod, whether or not it succeeds; meanwhile the host's files are never mounted
     * anywhere.
     */
    async function member(bundle: Bundle): Promise<Created> {
      const id = place.newId();
      const errors = place.path("errors");
      // The container keeps the verb's streams, and pipes would stay open as long as it lives.
      const apart = ["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', errors];
      const { status } = await execute([...apart, ...place.argv("create", "--bundle", bundle.directory, id)]);
      const created: Created = { status, stderr: await readFile(errors, "utf8") };
      await nothingIsMounted();
      if (created.status === 0) await place.runtime(["start", id]);
      await place.remove(id);
      return created;
    }

    /** The host's files are neither a source nor a target of a mount. */
    async function nothingIsMounted(): Promise<void> {
      for (const line of (await readFile("/proc/self/mountinfo", "utf8")).split("\n")) {
        const [, , , root = "", target = ""] = line.split(" ");
        assert.ok(!root.endsWith(secret) && !root.includes(`${secret}/`) && !target.startsWith(secret), line);
      }
    }

    it("in the source of a volume gets only what it can write itself, or an error that says why", async () => {
      await swap(data, "sub");
      const output = place.path("output");
      await mkdir(output);
      const look = `cat /volume/canary >> /output/seen; cat /readonly/canary >> /output/seen`;
      const [volume, readonly] = [path.join(data, "sub"), path.join(data, "sub", "deep", "..")];
      const bundle = await memberBundle(
        bind(output, "/output"),
        bind(volume, "/volume"),
        bind(readonly, "/readonly", "ro"),
        shell(look),
      );
      const outcomes = new Set<number>();
      for (let round = 0; round < rounds; round++) {
        const created = await member(bundle);
        outcomes.add(created.status);
        if (created.status === 0) continue;
        assert.match(created.stderr, /cannot be shared with the guest|cannot be mounted|is a device/);
        assert.doesNotMatch(created.stderr, new RegExp(canary));
      }
      const seen = await readFile(path.join(output, "seen"), "utf8").catch(() => "");
      assert.ok(!seen.includes(canary), seen);
    });

    it("on the way to a mount point has the mount below its own root, or nowhere", async () => {
      const bundle = await memberBundle(
        bind(data, "/mnt/inner/volume"),
        bind(path.join(data, "sub", "canary"), "/mnt/inner/file"),
        shell("true"),
      );
      await mkdir(path.join(bundle.rootfs, "mnt/inner"), { recursive: true });
      await swap(path.join(bundle.rootfs, "mnt"), "inner");
      for (let round = 0; round < rounds; round++) await member(bundle);
    });

    it("in the root file system has only its own files deleted", async () => {
      const bundle = await memberBundle(bind(data, "/tmp/volume"), shell("while :; do sleep 1000; done"));
      await mkdir(path.join(bundle.rootfs, "tmp/volume"), { recursive: true });
      await swap(path.join(bundle.rootfs, "tmp"), "volume");
      for (let round = 0; round < rounds; round++) await member(bundle);
    });
  });
}

function bind(source: string, destination: string, ...options: string[]): Patch {
  return (config) => {
    config.mounts = [...(config.mounts ?? []), { destination, source, type: "bind", options: ["rbind", ...options] }];
  };
}
