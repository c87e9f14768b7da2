import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { readOptions } from "./options.ts";

const refused = (error: unknown): boolean => isKumiteError(error, "usage/invalid");

describe("the agent's command line", () => {
  it("is ignored by PID 1, whose arguments come from the kernel's command line", () => {
    assert.deepEqual(readOptions(["splash", "--unknown"], 1), { kind: "machine" });
  });

  it("names the channel's descriptor for the process driver, in any order, even for PID 1 of a namespace", () => {
    const expected = { kind: "process", channelFd: 3 };
    assert.deepEqual(readOptions(["--channel-fd", "3", "--process"], 812), expected);
    assert.deepEqual(readOptions(["--process", "--channel-fd", "3"], 1), expected);
  });

  it("is refused if a part is missing, unknown or not a number", () => {
    for (const argv of [[], ["--process"], ["--channel-fd", "3"], ["--process", "--channel-fd"], ["--help"]]) {
      assert.throws(() => readOptions(argv, 812), refused, argv.join(" "));
    }
    for (const fd of ["x", "-1", "3.5", "12345678"]) {
      assert.throws(() => readOptions(["--process", "--channel-fd", fd], 812), refused, fd);
    }
  });
});
