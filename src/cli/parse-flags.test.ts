import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseArgs } from "node:util";
import fc from "fast-check";
import type { FlagSpec } from "./flag-spec.ts";
import { parseFlags } from "./parse-flags.ts";

const specs = [
  { name: "bundle", short: "b", kind: "text", value: "DIR", help: "" },
  { name: "format", kind: "text", value: "F", choices: ["table", "json"], help: "" },
  { name: "detach", short: "d", kind: "switch", help: "" },
  { name: "tty", short: "t", kind: "switch", help: "" },
  { name: "env", short: "e", kind: "list", value: "K=V", help: "" },
  { name: "count", kind: "integer", value: "N", help: "" },
] as const satisfies readonly FlagSpec[];

const parse = (...args: string[]) => parseFlags(args, specs);

describe("flags", () => {
  it("have one dash or two, = or the next word as value, and long and short names", () => {
    for (const args of [
      ["--bundle", "/b"],
      ["--bundle=/b"],
      ["-bundle", "/b"],
      ["-bundle=/b"],
      ["-b", "/b"],
      ["-b=/b"],
      ["--b", "/b"],
    ]) {
      assert.equal(parse(...args).flags.bundle, "/b", args.join(" "));
    }
  });

  it("take the next word as their value whatever it looks like", () => {
    assert.equal(parse("--bundle", "--detach").flags.bundle, "--detach");
    assert.equal(parse("--bundle", "--").flags.bundle, "--");
    assert.equal(parse("--bundle", "-bundle").flags.bundle, "-bundle");
  });

  it("keep an = in their value", () => {
    assert.deepEqual(parse("--env=A=b=c", "-e", "D=").flags.env, ["A=b=c", "D="]);
  });

  it("without values can be set to false", () => {
    assert.equal(parse("--detach=false").flags.detach, false);
    assert.equal(parse("-d=TRUE").flags.detach, true);
    assert.throws(() => parse("--detach=maybe"), /--detach: "maybe" is neither true nor false/);
  });

  it("of one letter without values can be grouped", () => {
    const { flags } = parse("-dt");
    assert.deepEqual([flags.detach, flags.tty], [true, true]);
    assert.throws(() => parse("-db"), /unknown flag -db/, "a flag with a value is not part of a group");
  });

  it("mix with arguments until --", () => {
    const { flags, positionals } = parse("one", "-d", "two", "--", "-t", "--", "three");
    assert.deepEqual([flags.detach, flags.tty], [true, false]);
    assert.deepEqual(positionals, ["one", "two", "-t", "--", "three"]);
  });

  it("end at the last requested argument, and the following words are unchanged", () => {
    const { flags, positionals, rest } = parseFlags(["-d", "id", "-t", "--", "x"], specs, 1);
    assert.deepEqual([flags.detach, flags.tty, positionals, rest], [true, false, ["id"], ["-t", "--", "x"]]);
  });

  it("have the last value given, and none if it is empty", () => {
    assert.equal(parse("--bundle", "a", "--bundle", "b").flags.bundle, "b");
    assert.equal(parse("--bundle", "").flags.bundle, undefined);
  });

  it("with a closed set of values refuse others and list the set", () => {
    assert.equal(parse("--format", "json").flags.format, "json");
    assert.throws(() => parse("--format", "xml"), { message: '--format: unknown value "xml"', hint: /table, json/ });
  });

  it("with numbers refuse anything else", () => {
    assert.equal(parse("--count", "12").flags.count, 12);
    for (const text of ["x", "-1", "1.5", "0x1", "9999999999"]) assert.throws(() => parse("--count", text), /number/);
  });

  it("that are unknown are named, with the nearest known one", () => {
    assert.throws(() => parse("--bundel", "/b"), { message: "unknown flag --bundel", hint: "did you mean --bundle?" });
    assert.throws(() => parse("--frobnicate=1"), { message: "unknown flag --frobnicate", hint: undefined });
    assert.throws(() => parse("-x"), /unknown flag -x/);
    assert.throws(() => parse("--__proto__"), /unknown flag --__proto__/);
  });

  it("without their value are named", () => {
    assert.throws(() => parse("--bundle"), { message: "flag --bundle needs a value" });
  });

  it("with two dashes mean the same as for Node's own parser", () => {
    const word = fc.constantFrom("a", "-", "/x y", "", "k=v");
    const part = fc.oneof(
      fc.tuple(fc.constantFrom("--bundle", "--env", "-b", "-e"), word).map(([flag, value]) => [flag, value]),
      fc.tuple(fc.constantFrom("--bundle=", "--env="), word).map(([flag, value]) => [flag + value]),
      fc.constantFrom(["--detach"], ["-d"], ["-t"], ["-td"], ["--"]),
      word.map((value) => [value]),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const args = parts.flat();
        const theirs = parseArgs({ args, options: nodeOptions, allowPositionals: true });
        const ours = parseFlags(args, specs);
        assert.deepEqual(ours.positionals, theirs.positionals);
        assert.equal(ours.flags.bundle ?? "", theirs.values.bundle ?? "");
        assert.deepEqual(ours.flags.env, theirs.values.env ?? []);
        assert.deepEqual(
          [ours.flags.detach, ours.flags.tty],
          [theirs.values.detach ?? false, theirs.values.tty ?? false],
        );
      }),
    );
  });
});

const nodeOptions = {
  bundle: { type: "string", short: "b" },
  env: { type: "string", short: "e", multiple: true },
  detach: { type: "boolean", short: "d" },
  tty: { type: "boolean", short: "t" },
} as const;
