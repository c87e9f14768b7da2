import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { bundle } from "./bundle.ts";

const messages = resolve(import.meta.dirname, "../../src/protocol/gen/kata/agent.ts");
const use = { read: /Request$/, written: /Response$/ };

describe("the messages of a server", () => {
  let directory = "";
  const bundled = async (text: string): Promise<string> => {
    const entry = join(directory, "entry.ts");
    const imports = `import { CreateContainerRequest, WaitProcessResponse } from ${JSON.stringify(messages)};`;
    await writeFile(entry, `${imports}\nObject.assign(globalThis, { done: ${text} });`);
    const [part] = await bundle({ name: "server", entry, messages: use }, {});
    return Buffer.from(part?.text ?? "").toString();
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-messages-"));
  });

  after(() => rm(directory, { recursive: true }));

  it("have the code that reads requests, with all of their parts, and the code that writes responses", async () => {
    const text = await bundled("[CreateContainerRequest, WaitProcessResponse]");
    const request = /^var CreateContainerRequest = \{[\s\S]*?^\}/m.exec(text)?.[0] ?? "";
    assert.match(request, /^ {2}decode\(/m);
    assert.doesNotMatch(request, /^ {2}(encode|create|fromPartial)\(/m);
    assert.match(text, /^var Storage = \{\n {2}decode\(/m);
    const response = /^var WaitProcessResponse = \{[\s\S]*?^\}/m.exec(text)?.[0] ?? "";
    assert.match(response, /^ {2}encode\([\s\S]*^ {2}fromPartial\(/m);
    assert.doesNotMatch(response, /^ {2}(decode|create)\(/m);
  });

  it("cannot be used otherwise: the build names what is called", async () => {
    await assert.rejects(
      bundled("CreateContainerRequest.encode({} as never)"),
      /CreateContainerRequest\.encode is called/,
    );
    await assert.rejects(
      bundled("WaitProcessResponse.decode(new Uint8Array())"),
      /WaitProcessResponse\.decode is called/,
    );
  });
});
