/** How much swap a guest gets by Kata's rules. VM tests cover whether the guest really gets it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OciResources } from "../oci/spec.ts";
import { swapBytesOf } from "./guest-swap.ts";

const mib = 1024 * 1024;
const of = (...memories: NonNullable<OciResources["memory"]>[]): number =>
  swapBytesOf(
    2048,
    memories.map((memory) => ({ memory })),
  );

describe("the swap of a guest", () => {
  it("is what containers with a swappiness ask for in addition to their memory", () => {
    assert.equal(of({ swappiness: 60, limit: 64 * mib, swap: 96 * mib }, { swappiness: 1, swap: 8 * mib }), 40 * mib);
    assert.equal(of({ swappiness: 60, limit: 64 * mib, swap: 32 * mib }), 0);
  });

  it("is as much as the memory if no swap is given, and the VM's own for all without a limit", () => {
    assert.equal(of({ swappiness: 60, limit: 64 * mib }), 64 * mib);
    assert.equal(
      of({ swappiness: 60 }, { swappiness: 60, limit: -1, swap: -1 }, { swappiness: 9, limit: mib }),
      2049 * mib,
    );
  });

  it("is none for containers that do not swap", () => {
    assert.equal(of({ limit: 64 * mib, swap: 128 * mib }, { swappiness: 0, swap: mib }), 0);
    assert.equal(swapBytesOf(2048, [{}]), 0);
  });
});
