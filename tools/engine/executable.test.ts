import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildExecutable } from "./executable.ts";

const printing = (expression: string) => `
  import { write } from "kumite:native";
  const bytes = new TextEncoder().encode(String(${expression}));
  write(1, bytes, 0, bytes.length);
`;

describe("an engine executable", () => {
  let directory = "";
  let output = "";
  const entry = async (name: string, text: string) => {
    await writeFile(join(directory, `${name}.ts`), text);
    return { name, entry: join(directory, `${name}.ts`) };
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-executable-"));
    output = join(directory, "made/for/it/program");
    const modules = [await entry("first", printing('"first"')), await entry("second", printing("VALUE + 1"))];
    await buildExecutable({ output, modules, define: { VALUE: "41" } });
  });

  after(() => rm(directory, { recursive: true }));

  it("runs the module of the name it is started with, by default the first", () => {
    const run = (argv0: string) => spawnSync(output, [], { argv0, encoding: "utf8" }).stdout;
    assert.equal(run("second"), "42");
    assert.equal(run("/some/where/second"), "42");
    assert.equal(run("first"), "first");
    assert.equal(run("/init"), "first");
    assert.equal(run(""), "first");
  });

  it("is static, stripped and at most 1.5 MB", async () => {
    assert.ok((await stat(output)).size <= 1.5e6);
    const { stdout } = spawnSync("readelf", ["-l", "-S", output], { encoding: "utf8" });
    assert.ok(!/INTERP|\.symtab/.test(stdout));
    assert.match(stdout, /GNU_STACK.*\n.*RW /);
  });

  it("is left alone when nothing changed", async () => {
    const first = { name: "first", entry: join(directory, "first.ts") };
    const again = join(directory, "again");
    await buildExecutable({ output: again, modules: [first] });
    const before = await stat(again);
    await buildExecutable({ output: again, modules: [first] });
    const same = await stat(again);
    assert.deepEqual([same.ino, same.mtimeMs], [before.ino, before.mtimeMs]);
    await writeFile(first.entry, printing('"changed"'));
    await buildExecutable({ output: again, modules: [first] });
    assert.equal(execFileSync(again, { encoding: "utf8" }), "changed");
  });

  it("reads what is imported dynamically when that is reached, and shares with it what both import", async () => {
    await writeFile(join(directory, "shared.ts"), "export const shared = { loaded: 0 };");
    await writeFile(
      join(directory, "late.ts"),
      `import { shared } from "./shared.ts"; shared.loaded++; export const late = () => "late " + shared.loaded;`,
    );
    const early = await entry(
      "early",
      `import { shared } from "./shared.ts"; import { write } from "kumite:native";
       const print = (text: string) => { const bytes = new TextEncoder().encode(text); write(1, bytes, 0, bytes.length); };
       print("early " + shared.loaded + ", ");
       void import("./late.ts").then(async ({ late }) => print(late() + ", " + (await import("./late.ts")).late()));`,
    );
    const program = join(directory, "lazy");
    await buildExecutable({ output: program, modules: [early] });
    assert.equal(execFileSync(program, { encoding: "utf8" }), "early 0, late 1, late 1");
  });

  it("cannot be made from what the engine does not have, and the import is named", async () => {
    const modules = [await entry("wrong", 'import "node:fs";')];
    await assert.rejects(buildExecutable({ output: join(directory, "wrong"), modules }), /node:fs/);
    await assert.rejects(stat(join(directory, "wrong")), { code: "ENOENT" });
  });
});
