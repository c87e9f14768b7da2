import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OciMount } from "../oci/spec.ts";
import { guestSharedMemory, sharedMemoryOf, withSharedMemory } from "./shared-memory.ts";

const proc: OciMount = { destination: "/proc", type: "proc", source: "proc" };

function shm(...options: string[]): OciMount {
  return { destination: "/dev/shm", type: "tmpfs", source: "shm", options };
}

describe("the shared memory of a sandbox", () => {
  it("is as the first container has it, and open to all by default", () => {
    assert.deepEqual(sharedMemoryOf([proc, shm("nosuid", "nodev", "size=1m", "ro", "rprivate")])?.options, [
      "nosuid",
      "nodev",
      "size=1m",
      "mode=1777",
    ]);
    assert.deepEqual(sharedMemoryOf([shm("mode=700")])?.options, ["mode=700"]);
  });

  it("is none if that container has none, or one that is no tmpfs", () => {
    assert.equal(sharedMemoryOf([proc]), undefined);
    assert.equal(sharedMemoryOf([{ destination: "/dev/shm", type: "bind", source: "/volume" }]), undefined);
    assert.equal(sharedMemoryOf([shm("remount", "ro")]), undefined);
  });

  it("is visible in each container, with the attributes that it asked for", () => {
    assert.deepEqual(withSharedMemory([proc, shm("nosuid", "size=64m", "mode=1777", "ro")]), [
      proc,
      { destination: "/dev/shm", type: "bind", source: guestSharedMemory, options: ["rbind", "nosuid", "ro"] },
    ]);
  });
});
