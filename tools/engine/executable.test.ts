import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
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

  it("is static, stripped and at most 0.8 MB", async () => {
    assert.ok((await stat(output)).size <= 0.8e6);
    const { stdout } = spawnSync("readelf", ["-l", "-S", output], { encoding: "utf8" });
    assert.ok(!/INTERP|\.symtab/.test(stdout));
    assert.match(stdout, /GNU_STACK.*\n.*RW /);
  });

  it("is not rewritten when nothing changed", async () => {
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

  it("loads dynamic imports when they are reached, and shares with them what both import", async () => {
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

  it("disposes of objects whose class is in a part that is evaluated before the entry", async () => {
    await writeFile(
      join(directory, "held.ts"),
      `export const ended: string[] = [];
       export class Held { constructor(readonly name: string) {} [Symbol.dispose]() { ended.push(this.name); } }
       export class Kept { async [Symbol.asyncDispose]() { ended.push("kept"); } }`,
    );
    await writeFile(
      join(directory, "user.ts"),
      'import { Held } from "./held.ts"; export const held = new Held("late");',
    );
    const using = await entry(
      "using",
      `import { ended, Held, Kept } from "./held.ts"; import { write } from "kumite:native";
       const print = (text: string) => { const bytes = new TextEncoder().encode(text); write(1, bytes, 0, bytes.length); };
       const work = async () => { using early = new Held("early"); await using kept = new Kept(); };
       void work().then(async () => { { using late = (await import("./user.ts")).held; } print(ended.join()); });`,
    );
    const program = join(directory, "using");
    await buildExecutable({ output: program, modules: [using] });
    assert.equal(execFileSync(program, { encoding: "utf8" }), "kept,early,late");
  });

  it("unpacks packed parts, whatever their content", async () => {
    const rows = Array.from({ length: 3000 }, (_, i) => `  [${i * 7919}, "${String(i).repeat(i % 40)}", () => ${i}],`);
    await writeFile(join(directory, "table.ts"), `export const table = [\n${rows.join("\n")}\n] as const;`);
    const sum = "(table.reduce((all, [a, b, c]) => all + a + b.length + c(), 0))";
    const text = `void import("./table.ts").then(({ table }) => { ${printing(sum)} });`.replace(
      /import \{ write \}.*;/,
      "",
    );
    const program = join(directory, "packed");
    const module = await entry("packing", `import { write } from "kumite:native";\n${text}`);
    await buildExecutable({ output: program, modules: [{ ...module, packsParts: true }] });
    const expected = rows.reduce((all, _, i) => all + i * 7919 + String(i).length * (i % 40) + i, 0);
    assert.equal(execFileSync(program, { encoding: "utf8" }), String(expected));
    const plain = join(directory, "plain");
    await buildExecutable({ output: plain, modules: [module] });
    assert.ok((await stat(program)).size < (await stat(plain)).size - 50_000);
  });

  it("starts from a heap image with its modules evaluated, and does the remaining work in each process", async () => {
    await writeFile(join(directory, "later.ts"), `export const later = () => "later";`);
    const imaged = await entry(
      "imaged",
      `import { collectGarbage, exit, processArguments, setMain, write } from "kumite:native";
       const say = (text: string) => { const bytes = new TextEncoder().encode(text + "\\n"); write(1, bytes, 0, bytes.length); };
       const whenBuilt = processArguments()[0];
       const kept = Array.from({ length: 1000 }, (_, i) => ({ i, self: {} as unknown, text: "x".repeat(i) }));
       for (const each of kept) each.self = each;
       let runs = 0;
       function fails(): never { throw new Error("on purpose"); }
       setMain(() => {
         say(whenBuilt + " " + processArguments()[1] + " " + ++runs);
         let rings: unknown;
         for (let i = 0; i < 10_000; i++) { const ring: { next?: unknown; before: unknown } = { before: rings }; ring.next = ring; rings = i % 100 ? ring : undefined; }
         kept.splice(0, 500);
         collectGarbage();
         for (let i = 0; i < 500; i++) kept[i]!.text += "y";
         collectGarbage();
         say(kept.map(({ i, self, text }, at) => self === kept[at] && text.length === i + 1).every(Boolean) + " " + kept.length);
         try { fails(); } catch (error) { say(/fails \\(imaged.js:\\d+/.test((error as Error).stack ?? "") + " " + error); }
         say(new Set([Math.random(), Math.random()]).size + " " + Math.random());
         void import("./later.ts").then(({ later }) => { say(later()); exit(0); });
       });`,
    );
    const program = join(directory, "from-image");
    await buildExecutable({ output: program, modules: [{ ...imaged, startsFromImage: true }] });
    const lines = (argument: string) => execFileSync(program, [argument], { encoding: "utf8" }).trim().split("\n");
    const [first, second] = [lines("one"), lines("two")];
    assert.deepEqual([first[0], second[0]], ["./make-image one 1", "./make-image two 1"]);
    assert.deepEqual([first[1], first[2], first[4]], ["true 500", "true Error: on purpose", "later"]);
    assert.notEqual(first[3], second[3], "random numbers must not be those of the build");
  });

  it("does not write to objects of the image that it only uses, and never changes or frees shared ones", async () => {
    const using = await entry(
      "using",
      `import { collectGarbage, read, setMain, write } from "kumite:native";
       const say = (text: string) => { const bytes = new TextEncoder().encode(text + "\\n"); write(1, bytes, 0, bytes.length); };
       class Point { constructor(readonly x: number, readonly y: number) {} get sum() { return this.x + this.y; } }
       const names = Array.from({ length: 2000 }, (_, i) => "name number " + i);
       const points = names.map((name, i) => ({ name, point: new Point(i, i), add: (more: number) => more + i, tag: Symbol(name) }));
       const byName = new Map(points.map((each) => [each.name, each]));
       const weak = new WeakMap<object, string>();
       const table: Record<string, number> = Object.fromEntries(names.map((name, i) => [name, i]));
       const use = (): number => {
         let sum = 0;
         for (const { name, point, add, tag } of points) {
           const copy = { name, point, add, tag, more: [name, point] };
           sum += table[name]! + byName.get(name)!.add(1) + point.sum + String(tag).length + copy.more.length;
           sum += (name + "!").length + add.bind(undefined, 2)() + ({ [name]: 1 })[name]!;
         }
         return sum;
       };
       const change = (round: number): string => {
         const first = points[round]!;
         const before = first.name;
         first.name += " changed";
         (first as Record<string, unknown>)["extra " + round] = { before };
         weak.set(first, first.name);
         delete table[before];
         byName.delete(before);
         Object.setPrototypeOf(first.point, { get sum() { return -1; } });
         collectGarbage();
         return [before, first.name, weak.get(first), Object.keys(first).length, table[before], first.point.sum, points[1999]!.point.sum].join();
       };
       setMain(() => {
         const sums = new Set(Array.from({ length: 30 }, use));
         collectGarbage();
         say("used " + sums.size);
         read(0, new Uint8Array(1), 0, 1);
         for (let round = 0; round < 20; round++) {
           const changed = change(round);
           const name = "name number " + round;
           if (changed !== [name, name + " changed", name + " changed", 5, "", -1, 3998].join()) throw new Error(changed);
         }
         say("changed");
       });`,
    );
    const program = join(directory, "using-image");
    await buildExecutable({ output: program, modules: [{ ...using, startsFromImage: true }] });
    const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "used 1");
    const mappings = (await readFile(`/proc/${child.pid}/smaps`, "utf8")).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    const image = mappings.find((mapping) => mapping.startsWith("10000000-")) ?? "";
    const kibibytes = (field: string) => Number(new RegExp(`^${field}: +(\\d+) kB`, "m").exec(image)?.[1]);
    // Pages of a file that is not on a disk, or not yet, count as dirty even if no process has a copy of them.
    assert.ok(kibibytes("Size") > 800 && kibibytes("Anonymous") < 80, image);
    child.stdin.end("\n");
    assert.equal((await lines.next()).value, "changed");
  });

  it("starts other modules than the first from an image too, which then do only their own work", async () => {
    const first = await entry(
      "main-one",
      `import { setMain, write } from "kumite:native"; setMain(() => void write(1, new TextEncoder().encode("one"), 0, 3));`,
    );
    const program = join(directory, "several");
    const modules = [first, await entry("other", printing('"other"'))].map((m) => ({ ...m, startsFromImage: true }));
    await buildExecutable({ output: program, modules: [...modules, await entry("plain", printing('"plain"'))] });
    const run = (argv0: string) => spawnSync(program, [], { argv0, encoding: "utf8" });
    assert.deepEqual([run("main-one").stdout, run("whatever").stdout], ["one", "one"]);
    for (const name of ["other", "plain"]) assert.deepEqual([run(name).stdout, run(name).status], [name, 0]);
  });

  it("is refused if the image would contain what must happen in each process", async () => {
    const wrong: readonly (readonly [why: RegExp, text: string])[] = [
      [/nothing is left to do/, ""],
      [/a module waits/, "await new Promise(() => {}); setMain(() => {});"],
      [/keeps the process running/, "setTimeout(() => {}, 1); setMain(() => {});"],
      [/at once/, "throw new Error('at once');"],
    ];
    for (const [why, text] of wrong) {
      const unfit = await entry("unfit", `import { setMain } from "kumite:native"; ${text}`);
      const modules = [{ ...unfit, startsFromImage: true }];
      await assert.rejects(buildExecutable({ output: join(directory, "unfit"), modules }), why);
    }
  });

  it("is refused if the engine lacks an import, which is named", async () => {
    const modules = [await entry("wrong", 'import "node:fs";')];
    await assert.rejects(buildExecutable({ output: join(directory, "wrong"), modules }), /node:fs/);
    await assert.rejects(stat(join(directory, "wrong")), { code: "ENOENT" });
  });
});
