/** Containers and exec processes on a terminal: in the foreground, and over a console socket as engines ask for it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type OciConfig, shell } from "../support/bundle.ts";
import { asEngine } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { consoleSocket, onTerminal } from "../support/terminal.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const onATerminal = (config: OciConfig): void => {
  config.process.terminal = true;
};

describe("a terminal", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("tty");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("of a foreground run has the caller's size, follows it, passes ^C, and is restored", async () => {
    const script = `stty size; tty; trap 'echo changed $(stty size)' WINCH; trap 'echo interrupted; exit 17' INT
      echo ready; while :; do sleep 0.1; done`;
    const bundle = await place.bundle(onATerminal, shell(script));
    const terminal = await onTerminal(place.argv("run", "--bundle", bundle.directory, place.newId()), 33, 111);
    await terminal.until("33 111\r\n");
    await terminal.until("/dev/pts/");
    await terminal.until("ready");
    terminal.resize(44, 122);
    await terminal.until("changed 44 122");
    terminal.type("\x03");
    await terminal.until("interrupted");
    const end = await terminal.ended;
    assert.equal(end.status, 17, end.shown);
    assert.match(end.reports, /terminal restored/);
  });

  it("carries a shell with job control: typing, an interrupted command, the end of input", async () => {
    const bundle = await place.bundle(onATerminal, (config) => {
      config.process.args = ["/bin/sh"];
      config.process.env.push("PS1=at> ");
    });
    const terminal = await onTerminal(place.argv("run", "--bundle", bundle.directory, place.newId()));
    await terminal.until("at> ");
    terminal.type("sh -c 'echo st\"\"arted; exec sleep 100'\r"); // the echo of the typing must not match
    await terminal.until("started\r\n");
    terminal.type("\x03");
    await terminal.until("at> ");
    terminal.type("echo interrupted with $?\r");
    await terminal.until("interrupted with 130");
    // An end of input that is typed before the prompt, while the terminal changes its mode, is lost.
    await terminal.until("at> ");
    terminal.type("\x04"); // ^D
    const end = await terminal.ended;
    assert.equal(end.status, 0, end.shown);
    assert.match(end.reports, /terminal restored/);
  });

  it("is restored when the verb is ended by a signal", async () => {
    const bundle = await place.bundle(
      onATerminal,
      shell("trap 'exit 4' TERM; echo ready; while :; do sleep 0.1; done"),
    );
    const id = place.newId();
    const terminal = await onTerminal(place.argv("run", "--bundle", bundle.directory, id));
    await terminal.until("ready");
    await place.must(["kill", id, "TERM"]);
    const end = await terminal.ended;
    assert.equal(end.status, 4, end.shown);
    assert.match(end.reports, /terminal restored/);
  });

  it("is restored when the program does not exist", async () => {
    const bundle = await place.bundle(onATerminal, (config) => {
      config.process.args = ["/nowhere"];
    });
    const end = await (await onTerminal(place.argv("run", "--bundle", bundle.directory, place.newId()))).ended;
    assert.notEqual(end.status, 0);
    assert.match(end.shown, /nowhere/);
    assert.match(end.reports, /terminal restored/);
  });

  it("that disappears with the shell that led its session ends a foreground run", onlyKumite, async () => {
    const bundle = await place.bundle(onATerminal, shell("trap '' HUP; echo ready; while :; do sleep 0.1; done"));
    const id = place.newId();
    const run = place.argv("run", "--bundle", bundle.directory, id).map((word) => `'${word}'`);
    const terminal = await onTerminal(["sh", "-c", `echo leader $$; ${run.join(" ")}; exit 0`]);
    await terminal.until("ready");
    const leader = Number((await childrenOf(terminal.pid))[0]);
    process.kill(leader, "SIGKILL");
    terminal.kill();
    await terminal.ended;
    await eventually(
      "the verb is gone, and what it made",
      async () => ((await place.runtime(["state", id])).status === 0 ? undefined : true),
      30_000,
    );
  });

  it("reaches an engine over the console socket, and hangs up at the end", async () => {
    const bundle = await place.bundle(onATerminal, shell("read line; echo got $line; stty size; tty; exit 12"));
    const [socket, pidFile, id] = [place.path("s"), place.path("pid"), place.newId()];
    const terminal = await consoleSocket(socket);
    const engine = await asEngine(
      place.argv("create", "--bundle", bundle.directory, "--console-socket", socket, "--pid-file", pidFile, id),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());
    await terminal.untilReport("received");
    terminal.resize(20, 70);
    await place.must(["start", id]);
    terminal.type("word\n");
    await terminal.until("got word");
    await terminal.until("20 70");
    await terminal.until("/dev/pts/");
    assert.equal(await engine.processStatus, 12);
    await terminal.untilReport("hangup");
    await terminal.ended;
    await place.must(["delete", id]);
  });

  it("of an exec has its own size and end, in the foreground and over a console socket", async () => {
    const id = await place.runDetached(await place.bundle(shell("trap 'exit 0' TERM; while :; do sleep 0.2; done")));
    const terminal = await onTerminal(
      place.argv("exec", "--tty", id, "sh", "-c", "stty size; tty; read x; exit $x"),
      25,
      99,
    );
    await terminal.until("25 99");
    await terminal.until("/dev/pts/");
    terminal.type("21\r");
    const end = await terminal.ended;
    assert.equal(end.status, 21, end.shown);
    assert.match(end.reports, /terminal restored/);

    const [socket, pidFile] = [place.path("s"), place.path("pid")];
    const engineSide = await consoleSocket(socket);
    const engine = await asEngine(
      place.argv(
        "exec",
        "--detach",
        "--tty",
        "--console-socket",
        socket,
        "--pid-file",
        pidFile,
        id,
        "sh",
        "-c",
        "echo hello; read x; exit 8",
      ),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());
    await engineSide.until("hello");
    engineSide.type("\n");
    assert.equal(await engine.processStatus, 8);
    await engineSide.untilReport("hangup");
    await engineSide.ended;
    await place.remove(id);
  });

  it("that does not exist is refused: without a console socket, and in the foreground of a caller without one", async () => {
    const { directory } = await place.bundle(onATerminal);
    const detached = await place.runtime(["run", "--detach", "--bundle", directory, place.newId()]);
    assert.notEqual(detached.status, 0);
    assert.match(detached.stderr, /console[- ]socket/);
    const inForeground = await place.runtime(["run", "--bundle", directory, place.newId()]);
    assert.notEqual(inForeground.status, 0);
    assert.match(inForeground.stderr, /terminal|console|tty/);
  });
});

async function childrenOf(pid: number): Promise<string[]> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ");
}
