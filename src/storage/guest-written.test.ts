import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bundle } from "../oci/bundle.ts";
import { guestWritten, writtenAbove } from "./guest-written.ts";

const bundle = {
  path: "/b",
  rootfs: "/b/rootfs",
  spec: {
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/data", source: "/data", options: ["rbind"] },
      { destination: "/near", source: "near", options: ["bind"] },
      { destination: "/kept", source: "/kept", options: ["bind", "ro"] },
    ],
  },
} as unknown as Bundle;

describe("what a guest can write to", () => {
  it("includes the root file systems and the writable volumes of its containers", () => {
    assert.deepEqual(guestWritten([bundle]), ["/b/rootfs", "/data", "/b/near"]);
  });

  it("is found from the outermost directory", () => {
    const all = ["/data/inner", "/data", "/b/rootfs"];
    assert.equal(writtenAbove(all, "/data/inner/x"), "/data");
    assert.equal(writtenAbove(all, "/data"), undefined);
    assert.equal(writtenAbove(all, "/database"), undefined);
  });
});
