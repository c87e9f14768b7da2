import { describe, it } from "node:test";
import { readCorpus } from "./corpus.ts";
import { targets } from "./targets.ts";

describe("what fuzzers found before", () => {
  for (const { name, seeds, run } of targets) {
    it(`is read by ${name} without a fault`, async () => {
      for (const input of [...seeds(), ...readCorpus(name)]) await run(input);
    });
  }
});
