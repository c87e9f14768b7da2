import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { testOs } from "../../../test/support/node-os.ts";
import { isSystemError } from "../../util/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import type { ByteStream } from "../os.ts";
import { descriptorStream } from "./descriptor-stream.ts";

const nonblocking = 0o4000;

function flagsOf(fd: number): number {
  return Number.parseInt(/^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "", 8);
}

async function textOf(stream: ByteStream): Promise<string> {
  let text = "";
  for (let part = await stream.read(); part !== undefined; part = await stream.read()) text += decodeUtf8(part);
  return text;
}

describe("a stream over an inherited descriptor", () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-descriptors-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  it("reads a FIFO to its end and does not change the flags that others share", async () => {
    const fifo = join(directory, "in");
    execFileSync("mkfifo", [fifo]);
    const writer = spawn("sh", ["-c", 'printf "from afar" > "$0"', fifo]);
    const fd = openSync(fifo, "r");
    const stream = descriptorStream(fd);
    assert.equal(await textOf(stream), "from afar");
    assert.equal(flagsOf(fd) & nonblocking, 0);
    stream.close();
    writer.kill();
  });

  it("ends a FIFO for its reader when it is ended", async () => {
    const fifo = join(directory, "out");
    execFileSync("mkfifo", [fifo]);
    const reader = spawn("cat", [fifo], { stdio: ["ignore", "pipe", "ignore"] });
    const said = new Promise<string>((resolve) => {
      let text = "";
      reader.stdout.on("data", (chunk) => {
        text += chunk;
      });
      reader.on("close", () => resolve(text));
    });
    const stream = descriptorStream(openSync(fifo, "w"));
    await stream.write(encodeUtf8("one "));
    await stream.write(encodeUtf8("two"));
    await stream.end();
    assert.equal(await said, "one two");
    stream.close();
  });

  it("reads and writes files, and /dev/null, which is always at its end", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "content");
    const input = descriptorStream(openSync(file, "r"));
    assert.equal(await textOf(input), "content");
    input.close();
    const output = descriptorStream(openSync(file, "a"));
    await Promise.all([output.write(encodeUtf8(" and")), output.write(encodeUtf8(" more"))]);
    output.close();
    await assert.rejects(output.write(encodeUtf8("late")), (error) => isSystemError(error, "EPIPE"));
    assert.equal(readFileSync(file, "utf8"), "content and more");
    const nothing = descriptorStream(openSync("/dev/null", "r+"));
    assert.equal(await textOf(nothing), "");
    await nothing.write(encodeUtf8("gone"));
    nothing.close();
  });

  it("is refused for an invalid number", () => {
    const fd = openSync("/dev/null", "r");
    closeSync(fd);
    assert.throws(
      () => descriptorStream(fd),
      (error) => isSystemError(error, "EBADF"),
    );
  });
});

describe("an inherited listening socket", () => {
  const os = testOs();
  const server = fileURLToPath(new URL("testing/echo-server.ts", import.meta.url));

  it("serves clients that connected earlier, knows its path, and removes the file when it is closed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "kumite-listen-"));
    const path = join(directory, "socket");
    try {
      const child = await os.processes.spawn({
        path: process.execPath,
        argv: ["node", "--import", "tsx", server],
        env: { PATH: process.env.PATH ?? "" },
        descriptors: { 1: { kind: "stream" }, 3: { kind: "listen", path, mode: 0o600 } },
      });
      const early = await os.sockets.connect(path);
      await early.write(encodeUtf8("hello"));
      await early.end();
      assert.equal(await textOf(early), `${path}: hello`);
      early.close();
      assert.deepEqual(await child.exited, { kind: "exited", status: 0 });
      assert.ok(!existsSync(path));
      for (const stream of child.streams.values()) stream.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
