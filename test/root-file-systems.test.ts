import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { it } from "node:test";
import { checkNames, kinds } from "./integration/root-file-systems.ts";

it("the table of docs/root-file-systems.md says what the tests find", () => {
  const text = readFileSync(path.resolve(import.meta.dirname, "../docs/root-file-systems.md"), "utf8");
  const rows = text.split("\n").map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  const [, ...columns] = rows.find(([first]) => first === "check") ?? [];
  assert.deepEqual(
    columns,
    kinds.map(({ name }) => name),
  );
  for (const check of checkNames) {
    const [, ...cells] = rows.find(([first]) => first === check) ?? [];
    assert.deepEqual(
      cells,
      kinds.map(({ exceptions }) => (check in exceptions ? "no" : "yes")),
      check,
    );
  }
});
