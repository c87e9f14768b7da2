import { textOf } from "../../sys/contract/scratch.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import type { ByteStream } from "../../sys/os.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { execIn, removeContainer, run, startContainer } from "../testing/container.testing.ts";
import { processOf, specOf } from "../testing/spec.testing.ts";

/** Reads until the text has arrived. */
async function expectText(stream: ByteStream, wanted: string): Promise<string> {
  let text = "";
  while (!text.includes(wanted)) {
    const bytes = await stream.read();
    if (bytes === undefined) throw new Error(`the stream ended after ${JSON.stringify(text)}`);
    text += decodeUtf8(bytes);
  }
  return text;
}

const sandboxOf = (agent: TestAgent) => startContainer(agent, specOf(["sleep", "1000"]), "web");

describe("the streams of a process", () => {
  it("carry everything that it wrote before it ended", async () => {
    await using agent = await startAgent();
    const lines = (n: number): string => Array.from({ length: n }, (_, i) => `${i + 1}\n`).join("");
    const { out, err } = await run(agent, "seq 10000; seq 3 >&2; exit 0");
    assert.equal(out, lines(10_000));
    assert.equal(err, "1\n2\n3\n");
    await sandboxOf(agent);
    for (let round = 0; round < 10; round++) {
      assert.equal((await (await execIn(agent, "web", processOf(["seq", "10000"]))).finish()).out, lines(10_000));
    }
  });

  it("carry input, its end, and large amounts of it", async () => {
    await using agent = await startAgent();
    const input = "0123456789abcdef".repeat(65_536);
    assert.deepEqual(await run(agent, "wc -c; echo done", {}, input), { out: "1048576\ndone\n", err: "", status: 0 });
    assert.equal((await run(agent, "cat", {}, input)).out, input);
  });

  it("tell a process that its reader has gone, like a closed pipe", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["sh", "-c", "yes; echo $? >&2"]));
    await process.stdout.read();
    process.stdout.close();
    assert.equal(await textOf(process.stderr), "141\n");
    assert.equal(await process.status(), 0);
  });

  it("that nobody reads delay nothing else", async () => {
    await using agent = await startAgent();
    const noisy = await startContainer(agent, specOf(["sh", "-c", "yes >&2 & yes"]), "noisy");
    await noisy.stdout.read();
    await sandboxOf(agent);
    const other = await execIn(agent, "noisy", processOf(["echo", "heard"]));
    assert.equal((await other.finish()).out, "heard\n");
    assert.equal((await (await execIn(agent, "web", processOf(["echo", "heard"]))).finish()).out, "heard\n");
    await removeContainer(agent, "noisy");
    await assert.rejects(agent.client.waitProcess({ containerId: "noisy" }), { code: "container/not-found" });
  });

  it("end with the process, even if a daemon that it left keeps them open", async () => {
    await using agent = await startAgent();
    await sandboxOf(agent);
    // Waits until the daemon has executed its program, since pidof looks for its name.
    const leave = "sleep 1000 & until grep -qx sleep /proc/$!/comm; do :; done; echo started";
    const process = await execIn(agent, "web", processOf(["sh", "-c", leave]));
    assert.deepEqual(await process.finish(), { out: "started\n", err: "", status: 0 });
    const still = await execIn(agent, "web", processOf(["sh", "-c", "pidof sleep | wc -w"]));
    assert.equal((await still.finish()).out, "2\n");
  });

  it("drop input when the process has closed it", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["sh", "-c", "exec 0<&-; echo closed; sleep 0.05; exit 0"]));
    await expectText(process.stdout, "closed");
    await process.stdin.write(encodeUtf8("into the void\n")).catch(() => {});
    assert.equal(await process.status(), 0);
  });
});

describe("the streams of a process without ports", () => {
  it("are read and written by calls, with empty data as their end", async () => {
    await using agent = await startAgent();
    const { client } = agent;
    const target = { containerId: "web", execId: "web" };
    await client.createContainer({
      ...target,
      ...client.specFields(specOf(["sh", "-c", "echo err >&2; cat; exit 2"])),
    });
    await client.startContainer(target);
    assert.equal((await client.writeStdin({ ...target, data: encodeUtf8("some text") })).len, 9);
    assert.equal(decodeUtf8((await client.readStdout({ ...target, len: 4 })).data), "some");
    assert.equal(decodeUtf8((await client.readStdout({ ...target, len: 100 })).data), " text");
    await client.closeStdin(target);
    assert.equal((await client.readStdout({ ...target, len: 100 })).data.length, 0);
    assert.equal(decodeUtf8((await client.readStderr({ ...target, len: 100 })).data), "err\n");
    assert.equal((await client.readStderr({ ...target, len: 100 })).data.length, 0);
    assert.equal((await client.waitProcess(target)).status, 2);
    assert.equal((await client.writeStdin({ ...target, data: encodeUtf8("more") })).len, 0);
    await client.closeStdin(target);
  });

  it("refuse such calls if they are on ports", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["cat"]), "web");
    const target = { containerId: "web", execId: "web", len: 10 };
    await assert.rejects(agent.client.readStdout(target), { code: "container/wrong-state" });
  });
});

describe("a terminal", () => {
  const terminal = { terminal: true, consoleSize: { height: 33, width: 101 } };

  it("is the container's own, controls its process and has the requested size", async () => {
    await using agent = await startAgent();
    const script =
      "tty; readlink /proc/self/fd/0; stty size; stat -c %u:%a /dev/console; ls -1 /dev/pts; echo $(ps -o tty | tail -1)";
    const user = { uid: 1000, gid: 1000 };
    const process = await startContainer(agent, specOf(["sh", "-c", script], { process: { ...terminal, user } }));
    const text = await textOf(process.stdout);
    assert.equal(text, "/dev/pts/0\r\n/dev/pts/0\r\n33 101\r\n1000:620\r\n0\r\nptmx\r\n136,0\r\n");
    assert.equal(await process.status(), 0);
  });

  it("echoes, edits lines, turns ^C into a signal and hangs up a session", async () => {
    await using agent = await startAgent();
    const script = "trap 'echo interrupted' INT; read line; echo got $line; while :; do sleep 0.01; done";
    const process = await startContainer(agent, specOf(["sh", "-c", script], { process: terminal }), "web");
    await process.stdin.write(encodeUtf8("abx\u007fc\r"));
    assert.equal(await expectText(process.stdout, "got abc\r\n"), "abx\b \bc\r\ngot abc\r\n");
    await process.stdin.write(encodeUtf8("\u0003"));
    await expectText(process.stdout, "interrupted");
    await agent.client.signalProcess({ containerId: "web", execId: "web", signal: 9 });
    assert.equal(await process.status(), 137);
    await textOf(process.stdout);
  });

  it("can be resized while the process runs, also for an exec", async () => {
    await using agent = await startAgent();
    await sandboxOf(agent);
    const script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.01; done";
    const process = await execIn(agent, "web", processOf(["sh", "-c", script], terminal), "one");
    await expectText(process.stdout, "33 101");
    await agent.client.ttyWinResize({ containerId: "web", execId: "one", row: 50, column: 120 });
    await expectText(process.stdout, "50 120");
    await agent.client.signalProcess({ containerId: "web", execId: "one", signal: 9 });
    assert.equal(await process.status(), 137);
    await agent.client.ttyWinResize({ containerId: "web", execId: "one", row: 1, column: 1 }).catch(() => {});
  });

  it("is named in an error if there is none", async () => {
    await using agent = await startAgent();
    await sandboxOf(agent);
    const size = { containerId: "web", execId: "web", row: 50, column: 120 };
    await assert.rejects(agent.client.ttyWinResize(size), { code: "container/wrong-state" });
    await assert.rejects(agent.client.ttyWinResize({ ...size, row: 70_000 }), { code: "usage/invalid" });
  });

  it("delivers everything that was written to it before the end", async () => {
    await using agent = await startAgent();
    await sandboxOf(agent);
    for (let round = 0; round < 10; round++) {
      const process = await execIn(agent, "web", processOf(["seq", "5000"], { terminal: true }));
      const text = await textOf(process.stdout);
      assert.equal(text.split("\r\n").length, 5001);
      assert.equal(await process.status(), 0);
    }
  });
});
