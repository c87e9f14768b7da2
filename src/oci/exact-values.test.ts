import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileSeccomp } from "../seccomp/compile.ts";
import { runFilter } from "../seccomp/testing/bpf-machine.testing.ts";
import { quoteLongValues } from "./exact-values.ts";
import { validateSpec } from "./validate.ts";

const document = (args: string): string =>
  `{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
    {"names":["openat"],"action":"SCMP_ACT_ERRNO","args":[${args}]}]}}}`;

describe("a 64-bit value in a seccomp rule", () => {
  it("is read exactly", () => {
    const text = document('{"index":0,"op":"SCMP_CMP_EQ", "value" : 18446744073709551516, "valueTwo":0}');
    const { linux } = validateSpec(JSON.parse(quoteLongValues(text)), "config.json");
    const { program } = compileSeccomp(linux?.seccomp);
    const opening = (first: bigint) => runFilter(program, { number: 257, architecture: 0xc000003e, args: [first] });
    assert.equal(opening(2n ** 64n - 100n), 0x50001);
    assert.equal(opening(2n ** 64n - 99n), 0x7fff0000);
    assert.equal(opening(2n ** 64n - 1n), 0x7fff0000);
  });

  it("that is too large is refused", () => {
    const text = document('{"index":0,"op":"SCMP_CMP_EQ","value":18446744073709551616}');
    assert.throws(() => validateSpec(JSON.parse(quoteLongValues(text)), "config.json"), {
      code: "oci/spec-invalid",
      message: /linux\.seccomp\.syscalls\[0\]\.args\[0\]\.value/,
    });
  });

  it("leaves the rest of a document unchanged", () => {
    for (const text of [
      '{"value":1,"valueTwo":4294967295}',
      '{"annotations":{"a":"\\"value\\":18446744073709551516,"}}',
      '{"hard":18446744073709551615,"x":["value",1844674407370955161]}',
      '{"value":18446744073709551615.5,"value":1844674407370955161e1}',
    ]) {
      assert.equal(quoteLongValues(text), text);
    }
  });
});
