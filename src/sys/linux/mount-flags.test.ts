import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  attributesOf,
  MS_BIND,
  MS_NOATIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  parseMountOptions,
} from "./mount-flags.ts";

describe("mount options", () => {
  it("become flags, a propagation, and what is left for the file system, in order", () => {
    assert.deepEqual(parseMountOptions(["nosuid", "size=64m", "rshared", "ro", "mode=0755"]), {
      flags: MS_NOSUID | MS_RDONLY,
      cleared: 0,
      propagation: MS_SHARED | MS_REC,
      rest: ["size=64m", "mode=0755"],
    });
    assert.deepEqual(parseMountOptions([]), { flags: 0, cleared: 0, propagation: 0, rest: [] });
  });

  it("override earlier ones", () => {
    assert.equal(parseMountOptions(["ro", "rw"]).flags, 0);
    assert.equal(parseMountOptions(["rw", "ro"]).flags, MS_RDONLY);
    assert.equal(parseMountOptions(["slave", "private"]).propagation, MS_PRIVATE);
    const { flags, cleared } = parseMountOptions(["noexec", "nodev", "exec"]);
    assert.deepEqual([flags, cleared], [MS_NODEV, MS_NOEXEC]);
  });

  it("apply `rec` to the bind, or to the propagation if there is none", () => {
    assert.equal(parseMountOptions(["rbind"]).flags, MS_BIND | MS_REC);
    assert.equal(parseMountOptions(["bind", "rec", "slave"]).propagation, MS_SLAVE);
    assert.equal(parseMountOptions(["rec", "slave"]).propagation, MS_SLAVE | MS_REC);
  });

  it("that only resemble words of the table are unchanged", () => {
    assert.deepEqual(parseMountOptions(["constructor", "toString", "RO"]).rest, ["constructor", "toString", "RO"]);
  });

  it("become attributes to set and to clear, with access times as one choice", () => {
    assert.deepEqual(attributesOf(parseMountOptions(["ro", "nosuid", "exec"])), { set: 0x1 | 0x2, clear: 0x8 });
    assert.deepEqual(attributesOf({ flags: MS_NOATIME, cleared: 0 }), { set: 0x10, clear: 0x70 });
    assert.deepEqual(attributesOf(parseMountOptions(["relatime"])), { set: 0, clear: 0x70 });
    assert.deepEqual(attributesOf(parseMountOptions(["strictatime", "nosymfollow"])), { set: 0x200020, clear: 0x70 });
    assert.deepEqual(attributesOf(parseMountOptions(["sync", "bind"])), { set: 0, clear: 0 });
  });
});
