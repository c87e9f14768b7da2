import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { parseShimArguments } from "./arguments.ts";
import { boundedWrite } from "./log.ts";

const needed = ["--root", "/r", "--id", "web", "--bundle", "/b"];

describe("the command line of a shim", () => {
  it("has defaults for everything except root, id and bundle", () => {
    assert.deepEqual(parseShimArguments(needed), {
      root: "/r",
      id: "web",
      bundle: "/b",
      config: undefined,
      overrides: [],
      debug: false,
      logFormat: "text",
    });
    const more = parseShimArguments([
      ...needed,
      "--set",
      "a.b=1",
      "--set",
      "c.d=2",
      "--debug",
      "--log-format",
      "json",
      "--config",
      "/c",
    ]);
    assert.deepEqual(more.overrides, ["a.b=1", "c.d=2"]);
    assert.deepEqual([more.debug, more.logFormat, more.config], [true, "json", "/c"]);
  });

  const wrong: readonly [words: string[], complaint: RegExp][] = [
    [[], /--id is required/],
    [["--id", "web", "--bundle", "/b"], /--root is required/],
    [[...needed, "--log-format", "xml"], /unknown log format "xml"/],
    [[...needed, "--verbose"], /unexpected argument "--verbose"/],
    [[...needed, "--config"], /--config needs a value/],
    [["--root", "r", "--id", "web", "--bundle", "/b"], /--root must be an absolute path, not "r"/],
  ];
  for (const [words, complaint] of wrong) {
    it(`is refused: ${complaint.source}`, () => {
      assert.throws(
        () => parseShimArguments(words),
        (error) => isKumiteError(error, "usage/invalid") && complaint.test(error.message),
      );
    });
  }

  it("is refused for an invalid id", () => {
    assert.throws(
      () => parseShimArguments([...needed, "--id", "../x"]),
      (error) => isKumiteError(error, "container/bad-id"),
    );
  });
});

describe("the log of a shim", () => {
  it("ends with a line that says so when it is full", () => {
    const lines: string[] = [];
    const write = boundedWrite((line) => lines.push(line), 10);
    for (const line of ["12345\n", "1234\n", "6\n", "7\n"]) write(line);
    assert.deepEqual(lines, ["12345\n", "the log is full: nothing more is written\n"]);
  });
});
