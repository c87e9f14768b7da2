import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mountAttribute, propagation, readMountOptions } from "./mount-options.ts";

const attributesOf = (...words: string[]) => readMountOptions(words).attributes;

describe("mount options", () => {
  it("are sorted into attributes, propagation and the file system's own parameters", () => {
    const options = readMountOptions([
      "nosuid",
      "strictatime",
      "rprivate",
      "mode=755",
      "size=65536k",
      "sync",
      "defaults",
    ]);
    assert.deepEqual(options, {
      bind: "none",
      remount: false,
      attributes: { set: mountAttribute.nosuid | mountAttribute.strictatime, clear: mountAttribute.atimeMask },
      recursiveAttributes: { set: 0, clear: 0 },
      propagation: [propagation.private | propagation.recursive],
      parameters: [
        { key: "mode", value: "755" },
        { key: "size", value: "65536k" },
        { key: "sync", value: undefined },
      ],
      extensions: [],
    });
  });

  it("are overridden by a later opposite", () => {
    assert.deepEqual(attributesOf("ro", "rw"), { set: 0, clear: mountAttribute.readonly });
    assert.deepEqual(attributesOf("rw", "ro"), { set: mountAttribute.readonly, clear: 0 });
    assert.deepEqual(attributesOf("noatime", "strictatime"), {
      set: mountAttribute.strictatime,
      clear: mountAttribute.atimeMask,
    });
  });

  it("distinguish recursive attributes from words that merely begin with r", () => {
    const options = readMountOptions(["rro", "rnosuid", "relatime", "rw", "rbind", "rdma=1"]);
    assert.deepEqual(options.recursiveAttributes, { set: mountAttribute.readonly | mountAttribute.nosuid, clear: 0 });
    assert.deepEqual(options.attributes, { set: 0, clear: mountAttribute.atimeMask | mountAttribute.readonly });
    assert.equal(options.bind, "rbind");
    assert.deepEqual(options.parameters, [{ key: "rdma", value: "1" }]);
  });

  it("may be combined in one string", () => {
    const { parameters, attributes } = readMountOptions(["size=64k,mode=700,,huge", "lowerdir=/a\\,b:/c"]);
    assert.deepEqual(parameters, [
      { key: "size", value: "64k" },
      { key: "mode", value: "700" },
      { key: "huge", value: undefined },
      { key: "lowerdir", value: "/a\\,b:/c" },
    ]);
    assert.deepEqual(attributes, { set: 0, clear: 0 });
  });

  it("keep rbind if bind is given too", () => {
    assert.equal(readMountOptions(["rbind", "bind"]).bind, "rbind");
  });

  it("never set and clear the same attribute, except the field of access times, which is replaced as a whole", () => {
    const words = ["ro", "rw", "nosuid", "suid", "noatime", "strictatime", "relatime", "nodiratime", "diratime"];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words)), (given) => {
        const { set, clear } = readMountOptions(given).attributes;
        assert.equal(set & clear & ~mountAttribute.atimeMask, 0);
        if ((set & mountAttribute.atimeMask) !== 0) {
          assert.equal(clear & mountAttribute.atimeMask, mountAttribute.atimeMask);
        }
      }),
    );
  });

  it("can be any text, including property names that every object has", () => {
    fc.assert(fc.property(fc.array(fc.string()), (words) => void readMountOptions(words)));
    assert.deepEqual(readMountOptions(["constructor", "rconstructor"]).parameters.length, 2);
  });
});
