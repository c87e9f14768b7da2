/** Documents that name tests, files or verbs must name those that exist. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { access, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { commands } from "../src/cli/command-table.ts";

const repository = path.resolve(import.meta.dirname, "..");
const read = (file: string) => readFileSync(path.join(repository, file), "utf8");

describe("the documentation", () => {
  it("promises only what a test or a benchmark verifies", async () => {
    const rows = read("SPECIFICATION.md")
      .split("\n")
      .filter((line) => line.startsWith("| ") && !line.startsWith("| promise"));
    assert.ok(rows.length > 20);
    for (const row of rows) {
      const scenario = /bench `([\w-]+)`/.exec(row)?.[1];
      if (scenario !== undefined) await access(path.join(repository, `bench/scenarios/${scenario}.ts`));
      const tests = [...row.matchAll(/`((?:src|test)\/[^`]+)` ("[^"]+"(?:, "[^"]+")*)/g)];
      for (const [, test = "", titles = ""] of tests) {
        const text = await readFile(path.join(repository, test), "utf8");
        for (const [, title = ""] of titles.matchAll(/"([^"]+)"/g)) assert.ok(text.includes(title), row);
      }
      if (scenario === undefined && tests.length === 0) assert.fail(`nothing holds: ${row}`);
    }
  });

  it("links only to existing files", async () => {
    for (const file of await markdownFiles()) {
      for (const [, target = ""] of read(file).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        await access(path.join(repository, path.dirname(file), target)).catch(() =>
          assert.fail(`${file} links to ${target}`),
        );
      }
    }
  });

  it("lists every verb in the table of what works", () => {
    // Rows whose first cell is a list of verbs; the other rows are about other subjects.
    const cells = [...read("README.md").matchAll(/^\| ([a-z]+(?:, [a-z]+)*) \| /gm)].map(([, cell = ""]) => cell);
    const named = cells.map((cell) => cell.split(", ")).filter(([first = ""]) => Object.hasOwn(commands, first));
    const shown = Object.keys(commands).filter((verb) => verb !== "version" && verb !== "help");
    assert.deepEqual(named.flat().sort(), shown.sort());
  });
});

async function markdownFiles(): Promise<string[]> {
  const inDocs = (await readdir(path.join(repository, "docs"))).map((name) => `docs/${name}`);
  const atTop = await readdir(repository);
  return [...atTop, ...inDocs].filter((name) => name.endsWith(".md"));
}
