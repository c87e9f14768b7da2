import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseVerity } from "./verity.ts";

const hash = "ab".repeat(32);
const whole = `root_hash=${hash},salt=00ff,data_blocks=10,data_block_size=4096,hash_block_size=4096`;

describe("parameters for a verified root file system", () => {
  it("are names with values, of which only the salt may be missing", () => {
    const expected = { rootHash: hash, salt: "00ff", dataBlocks: 10, dataBlockBytes: 4096, hashBlockBytes: 4096 };
    assert.deepEqual(parseVerity(whole), expected);
    assert.deepEqual(parseVerity(whole.replace("salt=00ff,", "")), { ...expected, salt: "" });
    assert.deepEqual(parseVerity(whole.replace("00ff", "")), { ...expected, salt: "" });
    assert.equal(parseVerity(""), undefined);
  });

  it("are refused if one is missing, duplicate, unknown, or not made of digits", () => {
    const refused = (text: string, what: RegExp) => {
      const fault = parseVerity(text);
      assert.ok(typeof fault === "string" && what.test(fault), `${text}: ${JSON.stringify(fault)}`);
    };
    refused(whole.replace(/,hash_block_size.*/, ""), /^hash_block_size is missing$/);
    refused(`${whole},salt=00`, /^salt is given twice$/);
    refused(`${whole},init=/bin/sh`, /^"init" is not one of root_hash, /);
    refused(whole.replace(hash, `${hash}" init=/bin/sh`), /^root_hash must be/);
    refused(whole.replace("00ff", "0"), /^salt must be/);
    refused(whole.replace("blocks=10", "blocks=0"), /^data_blocks must be/);
    refused(whole.replace("data_block_size=4096", "data_block_size=1000"), /^data_block_size must be a power/);
    refused(whole.replace("hash_block_size=4096", "hash_block_size=131072"), /^hash_block_size must be a power/);
    refused(",", /is not one of/);
  });
});
