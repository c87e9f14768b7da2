/** The effects of the flags of `podman run` inside the container, from scenarios.ts. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { describe as show } from "../../support/command.ts";
import { type Podman, usePodman } from "./podman.ts";
import { type Fact, scenarios } from "./scenarios.ts";

describe("podman run takes", () => {
  let podman: Podman;
  usePodman((opened) => {
    podman = opened;
  });

  for (const [index, { title, flags, files = {}, facts }] of scenarios.entries()) {
    it(title, async () => {
      const directory = path.join(podman.directory, `scenario-${index}`);
      await mkdir(directory);
      for (const [name, content] of Object.entries(files)) await writeFile(path.join(directory, name), content);
      const finished = await podman.run(flags(directory), ["sh", "-c", scriptOf(facts)]);
      const told = toldBy(finished.stdout);
      const wrong = Object.entries(facts).filter(([name, { wanted }]) => !wanted.test(told.get(name) ?? ""));
      const list = wrong.map(([name, { wanted }]) => `${name}: ${JSON.stringify(told.get(name))} is not ${wanted}`);
      assert.deepEqual(list, [], show(finished));
    });
  }
});

const mark = "== ";

function scriptOf(facts: Readonly<Record<string, Fact>>): string {
  return Object.entries(facts)
    .map(([name, { command }]) => `printf '\\n${mark}${name}\\n'\n( ${command} ) 2>&1\n`)
    .join("");
}

/** The output for each fact, without its final newline. */
function toldBy(output: string): Map<string, string> {
  const parts = `\n${output}`.split(`\n${mark}`).slice(1);
  return new Map(
    parts.map((part) => {
      const end = `${part}\n`.indexOf("\n");
      return [part.slice(0, end), part.slice(end + 1).trimEnd()] as const;
    }),
  );
}
