import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import { parseFlags } from "./parse-flags.ts";
import { resourceFlags } from "./resource-flags.ts";
import { readResourceRequest } from "./resource-request.ts";

const read = async (...words: string[]) => readResourceRequest(testOs(), parseFlags(words, resourceFlags).flags);

describe("the resources of an update", () => {
  it("contain what the flags name, and nothing else", async () => {
    assert.deepEqual(await read(), {});
    assert.deepEqual(await read("--memory", "64M", "--cpu-quota=-1", "--cpu-share", "512", "--pids-limit", "-1"), {
      memory: { limit: 67108864 },
      cpu: { shares: 512, quota: -1 },
      pids: { limit: -1 },
    });
    assert.deepEqual(await read("--cpu-shares=5", "--cpuset-cpus", "0-1", "--blkio-weight=10", "--memory-swap=-1"), {
      memory: { swap: -1 },
      cpu: { shares: 5, cpus: "0-1" },
      blockIO: { weight: 10 },
    });
  });

  it("have a separate field for each flag", async () => {
    const places = new Map<string, string>();
    for (const flag of resourceFlags) {
      if (flag.name === "resources" || "refused" in flag) continue;
      const entries = Object.entries(await read(`--${flag.name}=1`)) as [string, Record<string, unknown>][];
      const set = entries.flatMap(([section, values]) => Object.keys(values).map((key) => `${section}.${key}`));
      assert.equal(set.length, 1, flag.name);
      places.set(flag.name, set.join());
    }
    assert.equal(places.get("cpu-shares"), places.get("cpu-share"));
    assert.equal(new Set(places.values()).size, places.size - 1);
  });

  it("are refused with the name of the flag, or of the file", async () => {
    const refused =
      (code: "usage/invalid" | "oci/unsupported" | "oci/bundle-invalid", text: RegExp) => (error: unknown) =>
        isKumiteError(error, code) && text.test(error.message);
    await assert.rejects(read("--memory=lots"), refused("usage/invalid", /^--memory: "lots"/));
    await assert.rejects(read("--cpu-period=-5"), refused("usage/invalid", /^--cpu-period: "-5"/));
    await assert.rejects(read("--l3-cache-schema=x"), refused("oci/unsupported", /^--l3-cache-schema/));
    await assert.rejects(read("-r", "/nowhere/x.json"), refused("oci/bundle-invalid", /\/nowhere\/x\.json/));
  });
});
