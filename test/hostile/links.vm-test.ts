/**
 * A guest that swaps directories with symbolic links to the host's files, as fast as it can, while containers are made,
 * run and deleted in its machine: the host follows none of them. The writer runs beside the product, since what a guest
 * writes through its file-sharing daemon is written on the host by root.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { digestTree, type TreeDigest } from "../crash/tree-digest.ts";
import { type Bundle, type Patch, shell } from "../support/bundle.ts";
import { begin, execute, type Finished, type Running } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { asSandbox, inSandbox } from "../support/pod.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

type Created = Pick<Finished, "status" | "stderr">;

const canary = "of the host alone";
const rounds = 12;

describe("a guest that swaps links in", onlyKumite, () => {
  let place: Workplace;
  let secret: string;
  let secretBefore: TreeDigest;
  let data: string;
  let pod: string;
  let swapper: Running;

  before(async () => {
    place = await Workplace.withoutMachine("links");
    secret = place.path("secret");
    await mkdir(path.join(secret, "deep"), { recursive: true, mode: 0o700 });
    await writeFile(path.join(secret, "canary"), canary, { mode: 0o600 });
    secretBefore = await digestTree(secret);
  });
  after(() => place[Symbol.asyncDispose]());
  beforeEach(async () => {
    data = place.path("data");
    await mkdir(path.join(data, "sub", "deep"), { recursive: true });
    await writeFile(path.join(data, "sub", "canary"), "of the guest");
    pod = await place.runDetached(
      await place.bundle(asSandbox(), bind(data, "/data"), shell("while :; do sleep 1000; done")),
    );
  });
  afterEach(async () => {
    swapper.child.kill("SIGKILL");
    await swapper.finished;
    await place.remove(pod);
    assert.deepEqual(await digestTree(secret), secretBefore, "the host's files are as they were");
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  async function swap(directory: string, name: string): Promise<void> {
    swapper = begin([await nativeHelper("swapper"), directory, name, secret]);
    await swapper.untilOutput("swapping");
  }

  /** Runs and deletes a container of the pod, whatever comes of it; the host's files are mounted nowhere meanwhile. */
  async function member(bundle: Bundle): Promise<Created> {
    const id = place.newId();
    const errors = place.path("errors");
    // The container keeps the verb's streams: pipes would stay open as long as it is there.
    const apart = ["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', errors];
    const { status } = await execute([...apart, ...place.argv("create", "--bundle", bundle.directory, id)]);
    const created: Created = { status, stderr: await readFile(errors, "utf8") };
    await nothingIsMounted();
    if (created.status === 0) await place.runtime(["start", id]);
    await place.remove(id);
    return created;
  }

  /** Neither on the host's files, nor they on something. */
  async function nothingIsMounted(): Promise<void> {
    for (const line of (await readFile("/proc/self/mountinfo", "utf8")).split("\n")) {
      const [, , , root = "", target = ""] = line.split(" ");
      assert.ok(!root.endsWith(secret) && !root.includes(`${secret}/`) && !target.startsWith(secret), line);
    }
  }

  it("in the source of a volume gets what it can write itself, or an error that says why", async () => {
    await swap(data, "sub");
    const output = place.path("output");
    await mkdir(output);
    const look = `cat /volume/canary >> /output/seen; cat /readonly/canary >> /output/seen`;
    const [volume, readonly] = [path.join(data, "sub"), path.join(data, "sub", "deep", "..")];
    const bundle = await place.bundle(
      inSandbox(pod),
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

  it("on the way to where something is mounted has it mounted below its own root, or nowhere", async () => {
    const bundle = await place.bundle(
      inSandbox(pod),
      bind(data, "/mnt/inner/volume"),
      bind(path.join(data, "sub", "canary"), "/mnt/inner/file"),
      shell("true"),
    );
    await mkdir(path.join(bundle.rootfs, "mnt/inner"), { recursive: true });
    await swap(path.join(bundle.rootfs, "mnt"), "inner");
    for (let round = 0; round < rounds; round++) await member(bundle);
  });

  it("in the root file system has nothing but that deleted", async () => {
    const bundle = await place.bundle(inSandbox(pod), bind(data, "/tmp/volume"), shell("while :; do sleep 1000; done"));
    await mkdir(path.join(bundle.rootfs, "tmp/volume"), { recursive: true });
    await swap(path.join(bundle.rootfs, "tmp"), "volume");
    for (let round = 0; round < rounds; round++) await member(bundle);
  });
});

function bind(source: string, destination: string, ...options: string[]): Patch {
  return (config) => {
    config.mounts = [...(config.mounts ?? []), { destination, source, type: "bind", options: ["rbind", ...options] }];
  };
}
