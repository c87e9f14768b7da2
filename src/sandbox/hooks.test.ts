import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import type { OciHook, OciHooks } from "../oci/spec.ts";
import { isKumiteError, KumiteError, messageOf } from "../util/errors.ts";
import { createSandbox } from "./create.ts";
import { killProcess } from "./kill.ts";
import { recoverContainer } from "./recover.ts";
import { codeAndMessage, type Patch, SandboxPlace } from "./sandbox.testing.ts";
import type { Sandbox } from "./sandbox.ts";
import { startProcess } from "./start.ts";
import { stopSandbox } from "./stop.ts";

const never = new AbortController().signal;

describe("hooks of the host", () => {
  let place: SandboxPlace;
  /** File that the hooks write to. */
  let trace: string;
  let count = 0;
  before(async () => {
    place = await SandboxPlace.open();
  });
  after(() => place.close());
  beforeEach(() => {
    count += 1;
    trace = path.join(place.directory, `trace-${count}`);
  });

  function script(text: string, more: Partial<OciHook> = {}): OciHook {
    return { path: "/bin/sh", args: ["sh", "-c", text, "sh", trace], env: ["PATH=/usr/bin:/bin"], ...more };
  }

  const withHooks =
    (hooks: OciHooks, ...args: string[]): Patch =>
    (spec) => {
      spec.hooks = hooks;
      spec.annotations = { "com.example.key": "value" };
      if (args.length > 0) spec.process.args = ["/bin/sh", "-c", ...args];
    };

  const traced = async (): Promise<string> => (existsSync(trace) ? readFile(trace, "utf8") : "");

  async function failure(action: Promise<unknown>): Promise<KumiteError> {
    try {
      await action;
    } catch (error) {
      assert.ok(error instanceof KumiteError, String(error));
      return error;
    }
    throw new assert.AssertionError({ message: "it did not fail" });
  }

  /** After a failed create, the verb that asked for it removes the remains. */
  async function failingCreate(patch: Patch, signal = never): Promise<{ error: KumiteError; sandbox: Sandbox }> {
    const { sandbox, document, relay } = await place.prepare();
    patch(document);
    const request = { id: sandbox.host.id, bundle: place.directory, document, relay };
    const error = await failure(createSandbox(sandbox, request, signal));
    return { error, sandbox };
  }

  it("are run in order before the container is created, and read its state", async () => {
    const note = (name: string) => script(`printf '%s ' ${name} >> "$1"; cat /dev/stdin >> "$1"; echo >> "$1"`);
    const patch = withHooks({ createRuntime: [note("third")], prestart: [note("first"), note("second")] });
    const { sandbox, own } = await place.create(patch);
    const lines = (await traced()).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      ["first", "second", "third"],
    );
    for (const line of lines) {
      assert.deepEqual(JSON.parse(line.slice(line.indexOf(" "))), {
        ociVersion: "1.1.0",
        id: sandbox.host.id,
        status: "creating",
        pid: own.process.relay.pid,
        bundle: place.directory,
        annotations: { "com.example.key": "value" },
      });
    }
    await place.remove(sandbox);
  });

  it("have the given arguments and environment, the runtime's namespaces, and no further descriptor", async () => {
    const look =
      'printf "%s|" "$0" "$@" "$PWD" "$(readlink /proc/$$/ns/net)" > "$1"; env >> "$1"; ls /proc/$$/fd >> "$1"';
    const hook: OciHook = {
      path: "/bin/sh",
      args: ["name", "-c", look, "zero", trace, "", "a b"],
      env: ["PATH=/bin:/usr/bin", "A=1=2"],
    };
    const { sandbox } = await place.create(withHooks({ prestart: [hook] }));
    const net = await readlink("/proc/self/ns/net");
    const [first = "", ...rest] = (await traced()).trimEnd().split("\n");
    const head = `zero|${trace}||a b|${place.directory}|${net}|`;
    assert.ok(first.startsWith(head), first);
    const env = [first.slice(head.length), ...rest];
    const kept = env.filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
    assert.deepEqual(kept.slice(0, 2).sort(), ["A=1=2", "PATH=/bin:/usr/bin"]);
    // The shell opens further descriptors for `ls` in a child; its own are only the three standard streams.
    assert.deepEqual(
      kept.slice(2).filter((fd) => Number(fd) < 10),
      ["0", "1", "2"],
    );
    await place.remove(sandbox);
  });

  it("that fail make the create fail, say why, and are the last to run", async () => {
    const bad = script("echo out; echo first >&2; echo the reason >&2; exit 3");
    const { error, sandbox } = await failingCreate(
      withHooks({
        prestart: [bad],
        createRuntime: [script('echo late >> "$1"')],
        poststop: [script('echo stop >> "$1"')],
      }),
    );
    assert.equal(`${error.code}: ${error.message}`, "hook/failed: hooks.prestart[0] (/bin/sh) ended with status 3");
    assert.match(messageOf(error.cause), /first\nthe reason$/);
    assert.equal(await traced(), "");
    await place.remove(sandbox);
    assert.equal(await traced(), "stop\n", "what the first hooks have done can be taken back");
  });

  it("that cannot be executed are named", async () => {
    const { error, sandbox } = await failingCreate(withHooks({ createRuntime: [{ path: "/no/such/hook" }] }));
    assert.equal(error.message, "hooks.createRuntime[0] (/no/such/hook) cannot be run");
    assert.match(messageOf(error.cause), /no such file/);
    await place.remove(sandbox);
  });

  it("that take too long are killed with their children", async () => {
    const slow = script('sleep 1000 & echo $! > "$1"; echo waiting >&2; wait', { timeout: 1 });
    const { error, sandbox } = await failingCreate(withHooks({ prestart: [slow] }));
    assert.equal(error.message, "hooks.prestart[0] (/bin/sh) was killed: it ran longer than 1 s");
    assert.equal(error.code, "hook/failed");
    assert.equal(messageOf(error.cause), "waiting");
    const child = await place.os.processes.info(Number(await traced()));
    if (child !== undefined) await place.os.processes.waitGone(child);
    await place.remove(sandbox);
  });

  it("are killed when the caller that asked for the container disconnects", async () => {
    const caller = new AbortController();
    const patch = withHooks({ prestart: [script('echo $$ > "$1.tmp"; mv "$1.tmp" "$1"; exec sleep 1000')] });
    const creating = failingCreate(patch, caller.signal);
    while ((await traced()) === "") await new Promise((resolve) => setImmediate(resolve));
    const running = await place.os.processes.info(Number(await traced()));
    caller.abort();
    const { error, sandbox } = await creating;
    assert.ok(isKumiteError(error, "aborted"));
    if (running !== undefined) await place.os.processes.waitGone(running);
    await place.remove(sandbox);
  });

  it("of kind poststart run when the program runs, and end it when they fail", async () => {
    const good = await place.create(withHooks({ poststart: [script('cat > "$1"')] }, "sleep 1000"));
    assert.equal(await traced(), "", "not yet");
    await startProcess(good.sandbox, good.own.process.key, never);
    const state = JSON.parse(await traced()) as Record<string, unknown>;
    assert.deepEqual([state.status, state.pid], ["running", good.own.process.relay.pid]);
    await killProcess(good.sandbox, { key: good.own.process.key, signal: 9, all: false });
    await place.remove(good.sandbox);

    const bad = await place.create(
      withHooks({ poststart: [script("exit 1"), script('echo late > "$1"')] }, "sleep 1000"),
    );
    const start = codeAndMessage(startProcess(bad.sandbox, bad.own.process.key, never));
    assert.equal(await start, "hook/failed: hooks.poststart[0] (/bin/sh) ended with status 1");
    assert.equal((await bad.own.process.exited).exitStatus, 137);
    assert.match(await traced(), /running/, "the one after the failing one is not run");
    await place.remove(bad.sandbox);
  });

  it("of kind poststart are waited for, even if the program and its sandbox have ended", async () => {
    const slow = script('read -r go < "$1.fifo"; echo done > "$1"');
    await place.os.processes
      .spawn({ path: "/usr/bin/mkfifo", argv: ["mkfifo", `${trace}.fifo`], env: {}, descriptors: {} })
      .then(({ exited }) => exited);
    const { sandbox, own } = await place.create(withHooks({ poststart: [slow] }, "true"));
    const starting = startProcess(sandbox, own.process.key, never);
    await own.process.exited;
    const stopping = stopSandbox(sandbox);
    await place.os.files.write(`${trace}.fifo`, "go\n");
    await starting;
    await stopping;
    assert.equal(await traced(), "done\n");
    await place.remove(sandbox);
  });

  it("of kind poststop run when the container is gone, each of them, whatever the others did", async () => {
    const gone = script('printf "%s\\n" "$(ls "$2")" > "$1"; cat >> "$1"');
    const hook = { ...gone, args: [...(gone.args ?? []), place.root] };
    const { sandbox } = await place.create(withHooks({ poststop: [script("echo no >&2; exit 1"), hook] }));
    const { host } = sandbox;
    assert.equal(await traced(), "");
    const warnings: string[] = [];
    await stopSandbox(sandbox);
    await recoverContainer(place.os, place.root, host.id, { warn: (line) => warnings.push(line) });
    assert.deepEqual(warnings, ["hooks.poststop[0] (/bin/sh) ended with status 1: no"]);
    const [claimed, ...state] = (await traced()).split("\n");
    assert.equal(claimed, "", "the id is free by then");
    assert.deepEqual(JSON.parse(state.join("\n")), {
      ociVersion: "1.1.0",
      id: host.id,
      status: "stopped",
      bundle: place.directory,
      annotations: { "com.example.key": "value" },
    });
    await recoverContainer(place.os, place.root, host.id, { warn: (line) => warnings.push(line) });
    assert.equal(warnings.length, 1, "once");
  });

  it("of kind poststop that cannot be read do not prevent a delete", async () => {
    const { sandbox } = await place.create(withHooks({ poststop: [script("true")] }));
    const { host } = sandbox;
    await place.os.files.write(host.paths.poststop, "{}");
    const warnings: string[] = [];
    await stopSandbox(sandbox);
    await recoverContainer(place.os, place.root, host.id, { warn: (line) => warnings.push(line) });
    assert.match(warnings.join(), /the poststop hooks are not run: .*poststop\.json/);
  });
});
