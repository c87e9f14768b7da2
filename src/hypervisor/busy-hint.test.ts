import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Os } from "../sys/os.ts";
import { busyHint } from "./busy-hint.ts";

/** A process with such threads. */
function osWith(...threads: readonly { readonly state: string; readonly seconds: number }[]): Os {
  const os = testOs();
  const list = async () => threads.map((_, index) => String(index));
  const readText = async (file: string) => {
    const { state, seconds } = threads[Number(file.split("/").at(-2))] ?? { state: "X", seconds: 0 };
    return `7 (a) b) ${state} 1 7 7 0 -1 0 0 0 0 0 ${seconds * 60} ${seconds * 40} 0 0 20 0 1 0 100\n`;
  };
  return { ...os, files: { ...os.files, list, readText } };
}

describe("a guest that did not answer in time", () => {
  it("is told to have had too little of the host's processors, when it wanted more", async () => {
    const os = osWith({ state: "S", seconds: 1 }, { state: "R", seconds: 2 });
    assert.match((await busyHint(os, 7, 45_000)) ?? "", /3\.0 s of a processor in 45\.0 s: start fewer VMs/);
  });

  it("is not, when it waited for something else, ran all the time, or is gone", async () => {
    assert.equal(await busyHint(osWith({ state: "S", seconds: 1 }), 7, 45_000), undefined);
    assert.equal(await busyHint(osWith({ state: "R", seconds: 40 }), 7, 45_000), undefined);
    assert.equal(await busyHint(osWith(), 7, 45_000), undefined);
  });
});
