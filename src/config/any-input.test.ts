/** Any file, annotation or command line gives a configuration, or errors with their places. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { nodeOs } from "../sys/node/node-os.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, SystemError } from "../util/errors.ts";
import { defaultFile } from "./default-file.ts";
import { type LoadConfigOptions, type Loaded, loadConfig, loadSettings } from "./load.ts";
import { Positions } from "./positions.ts";
import { keysOf, tableNames } from "./tables.ts";
import { maxFileBytes } from "./toml.ts";

const file = "/configuration.toml";
const real = nodeOs({ installRoot: "/i" });

/** A host on which this is the only file. */
function hostWith(text: string): Os {
  const files = {
    ...real.files,
    realPath: async (path: string) => path,
    list: () => Promise.reject(new SystemError("ENOENT", "readdir")),
    readText: async (path: string, limit = 1 << 30) => {
      if (path !== file) return real.files.readText(path);
      if (text.length > limit) throw new SystemError("EFBIG", "read", path);
      return text;
    },
  };
  return { ...real, files };
}

function load(text: string, options: Partial<LoadConfigOptions> = {}): Promise<Loaded> {
  return loadSettings(hostWith(text), { installRoot: "/i", path: file, ...options });
}

/** Asserts that the result is a configuration, or errors of Kumite with places. */
async function isAnswered(text: string, options: Partial<LoadConfigOptions> = {}): Promise<void> {
  const { problems } = await load(text, options);
  for (const { origin, reason } of problems) {
    assert.ok(reason !== "" && !reason.includes("\n"), reason);
    if (origin.kind === "file") assert.equal(origin.file, file);
  }
  try {
    await loadConfig(hostWith(text), { installRoot: "/i", path: file, ...options });
  } catch (error) {
    assert.ok(isKumiteError(error, "config/invalid"), String(error));
  }
}

const names = tableNames.flatMap((table) => Object.keys(keysOf(table) ?? {}).map((key) => `${table}.${key}`));
const value = fc.oneof(
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.string(),
  fc.string({ unit: "binary" }).map((text) => `/${text}`),
  fc.constantFrom("", "/", "auto", "virtio-9p", "1.0", "1.6", "3.x", "microvm", "none", "process", "clh"),
  fc.array(fc.string(), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
);
/** Known keys with values of any type. */
const documents = fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 12 }).map((pairs) => {
  const document: Record<string, unknown> = {};
  for (const [name, content] of pairs) {
    let table = document;
    const path = name.split(".");
    for (const part of path.slice(0, -1)) {
      table[part] ??= {};
      table = table[part] as Record<string, unknown>;
    }
    table[path.at(-1) ?? ""] = content;
  }
  return document;
});

describe("any configuration", () => {
  it("is accepted or refused properly when it is any text", async () => {
    await fc.assert(fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), (text) => isAnswered(text)));
    const pieces = fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      '"',
      "'",
      '"""',
      "=",
      ".",
      ",",
      "\n",
      "#",
      "a",
      "1",
      "\\",
      " ",
      "\u{1F600}",
    );
    await fc.assert(fc.asyncProperty(fc.array(pieces, { maxLength: 40 }), (words) => isAnswered(words.join(""))));
  });

  it("is accepted or refused properly when it is one of our files with a piece removed or inserted", async () => {
    const whole = defaultFile();
    const change = fc.tuple(fc.nat(whole.length), fc.nat(60), fc.string({ maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(change, ([at, length, text]) =>
        isAnswered(whole.slice(0, at) + text + whole.slice(at + length)),
      ),
    );
  });

  it("is accepted or refused properly when known keys have values of any type", async () => {
    await fc.assert(
      fc.asyncProperty(documents, (document) => isAnswered(stringify(document))),
      { numRuns: 300 },
    );
  });

  it("is accepted or refused properly when tables and keys have any names", async () => {
    const tree = fc.dictionary(fc.string(), fc.dictionary(fc.string(), value), { maxKeys: 5 });
    await fc.assert(fc.asyncProperty(tree, (document) => isAnswered(stringify(document))));
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      await isAnswered(`[${name}]\nx = 1\n[hypervisor.${name}]\n[runtime]\n${name} = 1\n`);
      await isAnswered("", { overrides: [`${name}.x=1`, `runtime.${name}=1`], annotations: { [name]: "1" } });
    }
  });

  it("is accepted or refused properly when it comes from annotations and the command line", async () => {
    const annotation = fc.constantFrom("config.hypervisor.", "config.runtime.", "config.agent.", "");
    const name = fc.oneof(fc.constantFrom(...names.map((full) => full.split(".").at(-1) ?? "")), fc.string());
    const annotations = fc.dictionary(
      fc.tuple(annotation, name).map(([group, key]) => `io.katacontainers.${group}${key}`),
      fc.oneof(fc.string(), fc.constantFrom("true", "1", "/dev/null", "[]", "[1]", '["a"]')),
      { maxKeys: 5 },
    );
    const override = fc.tuple(fc.constantFrom(...names, "x"), fc.string()).map(([key, text]) => `${key}=${text}`);
    const text = '[hypervisor.qemu]\nenable_annotations = [".*"]\n';
    await fc.assert(
      fc.asyncProperty(annotations, fc.array(fc.oneof(override, fc.string()), { maxLength: 4 }), (given, overrides) =>
        isAnswered(text, { annotations: given, overrides }),
      ),
      { numRuns: 300 },
    );
  });

  it("is accepted or refused properly when it is huge or deeply nested", { timeout: 60_000 }, async () => {
    const fill = (piece: string): string => piece.repeat(Math.floor((maxFileBytes - 100) / piece.length));
    const lines = (line: (index: number) => string): string =>
      Array.from({ length: Math.floor(maxFileBytes / 14) }, (_, index) => line(index)).join("\n");
    const hostile = [
      "[".repeat(1 << 20),
      `[runtime]\n${"x = 1\n".repeat(1 << 18)}`,
      `a = ${fill("[")}`,
      `a = ${fill("{a=")}`,
      fill("a."),
      `${fill("a.")}a = 1`,
      fill("[[a]]\n"),
      `[${fill("a.")}a]`,
      `a = """${fill("\\")}`,
      `a = """${fill('\\"""')}"""`,
      `[runtime]\n${lines((index) => `k${index} = 1`)}`,
      lines((index) => `[t${index}]`),
      `a = [${fill("1,\n")}]`,
      `a = "${fill("x")}"`,
      `#${fill("x")}`,
      fill("\n"),
      fill("a = 1\r"),
      `[hypervisor.qemu]\nkernel_params = "${fill(" ")}"`,
      `[hypervisor.qemu]\ncpu_features = "${fill(",")}"`,
      `[hypervisor.qemu]\nenable_annotations = [${fill('"(",')}]`,
      `[agent.kata]\nkernel_modules = [${fill('"a b",')}]`,
    ];
    // The minute is for a busy host. The benchmark `config` measures the cost.
    for (const text of hostile) await isAnswered(text);
  });
});

describe("the position of a key", () => {
  it("is found in any document", () => {
    fc.assert(
      fc.property(documents, (document) => {
        const text = stringify(document);
        const positions = new Positions(text);
        const lines = text.split("\n");
        for (const [path, leaf] of leaves(parse(text), [])) {
          const position = positions.of(path);
          assert.ok(position, path.join("."));
          const rest = (lines[position.line - 1] ?? "").slice(position.column - 1);
          const key = path.at(-1) ?? "";
          assert.ok(
            rest.startsWith(key) || rest.startsWith(JSON.stringify(key)) || rest.startsWith("["),
            `${rest} ${leaf}`,
          );
        }
      }),
    );
  });

  it("is found in all forms of keys and values", () => {
    const text = [
      "# [not.this]",
      'a = """',
      'b = 1 \\""" \\',
      '"""""  # two quotes before the end',
      "c.'d e'.\"f\" = '''",
      "x = 2'''",
      "g = [ # comment ]",
      "  { h = 1, i.j = [ '}' ] },",
      "]",
      "k = 1979-05-27 07:32:00Z",
      "[ l . m ] # header",
      "  n = -inf",
      "[[o]]",
      "p = 1",
      "[[o]]",
      "p = 2",
      "[o.q]",
      "r = true",
    ].join("\n");
    parse(text);
    const positions = new Positions(text);
    const expected: [(string | number)[], number, number][] = [
      [["a"], 2, 1],
      [["c", "d e", "f"], 5, 1],
      [["g"], 7, 1],
      [["g", 0, "h"], 8, 5],
      [["g", 0, "i", "j"], 8, 12],
      [["k"], 10, 1],
      [["l", "m"], 11, 1],
      [["l", "m", "n"], 12, 3],
      [["o", 0, "p"], 14, 1],
      [["o", 1, "p"], 16, 1],
      [["o", 1, "q", "r"], 18, 1],
    ];
    for (const [path, line, column] of expected) assert.deepEqual(positions.of(path), { line, column }, path.join("."));
    assert.equal(positions.of(["nothing"]), undefined);
  });

  it("is searched in invalid TOML without hanging", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void new Positions(text).of(["a"])));
  });
});

function leaves(value: unknown, path: string[]): [string[], unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
}
