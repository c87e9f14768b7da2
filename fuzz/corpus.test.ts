import { describe, it } from "node:test";
import { readCorpus } from "./corpus.ts";
import { targets } from "./targets.ts";

describe("the corpus of the fuzzers", () => {
  for (const { name, seeds, run } of targets) {
    it(`contains nothing that ${name} fails on`, async () => {
      for (const input of [...seeds(), ...readCorpus(name)]) await run(input);
    });
  }
});
