import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReadyPlace } from "./ready-place.ts";

function offered(): ReadyPlace {
  const ready = new ReadyPlace();
  ready.offer();
  return ready;
}

describe("the cgroup that is prepared for the first container", () => {
  it("is given to the first container, whatever path it asks for, and to no other", () => {
    const ready = offered();
    assert.deepEqual(ready.placeFor("/kumite/one"), { path: "/ready", taken: true });
    assert.deepEqual(ready.placeFor("/kumite/two"), { path: "/kumite/two", taken: false });
    assert.deepEqual(ready.placeFor("/kumite/one.more"), { path: "/kumite/one.more", taken: false });
  });

  it("is found by its container's path, as are cgroups below that", () => {
    const ready = offered();
    ready.placeFor("/pod/one");
    assert.deepEqual(ready.placeFor("/pod/one"), { path: "/ready", taken: false });
    assert.deepEqual(ready.placeFor("/pod/one/a/b"), { path: "/ready/a/b", taken: false });
  });

  it("is known to be below the paths above its container's", () => {
    const ready = offered();
    assert.equal(ready.isBelow("/pod"), false);
    ready.placeFor("/pod/one");
    assert.deepEqual(
      ["/pod", "/pod/one", "/po", "/pod/one/a"].map((path) => ready.isBelow(path)),
      [true, false, false, false],
    );
  });

  it("is removed with its container, and absent where it was not prepared", () => {
    const ready = offered();
    ready.placeFor("/pod/one");
    ready.forget();
    for (const { isBelow, placeFor } of [ready, new ReadyPlace()].map((place) => ({
      isBelow: place.isBelow("/pod"),
      placeFor: place.placeFor("/pod/one"),
    }))) {
      assert.deepEqual([isBelow, placeFor], [false, { path: "/pod/one", taken: false }]);
    }
  });
});
