/** Hooks that run on the host, as engines configure them, at every point of a container's life. */
import assert from "node:assert/strict";
import { readFile, readlink, rename } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type Bundle, type Patch, shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { asEngine } from "../support/engine.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const forever = shell("while :; do sleep 0.1; done");
const kinds = ["prestart", "createRuntime", "poststart", "poststop"] as const;

/** What a hook of these tests has written about itself. */
interface Traced {
  readonly kind: string;
  /** Network namespaces of the hook, and of the pid that it was told. */
  readonly own: string;
  readonly container: string;
  /** Whether an engine could have read the pid by then. */
  readonly pidFile: string;
  readonly state: { id: string; status: string; pid?: number; bundle: string; annotations?: Record<string, string> };
}

describe("hooks of the host", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("hooks");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  /** One hook of each kind, which appends a line of JSON. */
  function tracing(trace: string, pidFile: string): Patch {
    const script = (kind: string): string => `
      state=$(cat /dev/stdin)
      pid=$(echo "$state" | sed -n 's/.*"pid":\\([0-9]*\\).*/\\1/p')
      printf '{"kind":"%s","own":"%s","container":"%s","pidFile":"%s","state":%s}\\n' ${kind} \\
        "$(readlink /proc/self/ns/net)" "$(readlink /proc/$pid/ns/net)" "$(cat ${pidFile})" "$state" >> ${trace}`;
    return (config) => {
      config.annotations = { "com.example.key": "value" };
      config.hooks = Object.fromEntries(
        kinds.map((kind) => [
          kind,
          [{ path: "/bin/sh", args: ["sh", "-c", script(kind)], env: [`PATH=${process.env.PATH}`] }],
        ]),
      );
    };
  }

  async function traced(trace: string): Promise<Traced[]> {
    const lines = (await readFile(trace, "utf8")).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Traced);
  }

  async function created(bundle: Bundle, id: string, pidFile: string): Promise<{ processStatus: Promise<number> }> {
    const engine = await asEngine(
      place.argv("create", "--bundle", bundle.directory, "--pid-file", pidFile, id),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());
    return engine;
  }

  it("see the container as the specification says, from the runtime's namespaces", async () => {
    const [trace, pidFile, id] = [place.path("trace"), place.path("pid"), place.newId()];
    const bundle = await place.bundle(forever, tracing(trace, pidFile));
    const engine = await created(bundle, id, pidFile);
    const { pid } = await place.state(id);
    assert.deepEqual(
      (await traced(trace)).map(({ kind }) => kind),
      ["prestart", "createRuntime"],
    );
    await place.must(["start", id]);
    await place.must(["kill", id, "KILL"]);
    assert.equal(await engine.processStatus, 137);
    await place.untilStatus(id, "stopped");
    await place.must(["delete", id]);

    const lines = await traced(trace);
    const annotations = { "com.example.key": "value" };
    assert.deepEqual(
      lines.map(({ kind, state }) => [kind, state.status, state.pid, state.id, state.bundle, state.annotations]),
      [
        ["prestart", "creating", pid, id, bundle.directory, annotations],
        ["createRuntime", "creating", pid, id, bundle.directory, annotations],
        ["poststart", "running", pid, id, bundle.directory, annotations],
        ["poststop", "stopped", undefined, id, bundle.directory, annotations],
      ],
    );
    const host = await readlink("/proc/self/ns/net");
    assert.deepEqual(new Set(lines.map(({ own }) => own)), new Set([host]));
    const [inCreate, , inStart] = lines;
    assert.notEqual(inCreate?.container, host, "the pid is in the container's network namespace already");
    assert.equal(inStart?.container, inCreate?.container);
    assert.deepEqual([inCreate?.pidFile, inStart?.pidFile], ["", String(pid)]);
  });

  it("fail the create with their output, and nothing is left except what poststop hooks leave", async () => {
    const [trace, log] = [place.path("trace"), place.path("log.json")];
    const bundle = await place.bundle(forever, (config) => {
      config.hooks = {
        prestart: [{ path: "/bin/sh", args: ["sh", "-c", "echo the reason >&2; exit 7"] }],
        createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `echo late >> ${trace}`] }],
        poststop: [{ path: "/bin/sh", args: ["sh", "-c", `echo undone >> ${trace}`] }],
      };
    });
    const create = ["--log", log, "--log-format", "json", "create", "--bundle", bundle.directory, place.newId()];
    const finished = await place.runtime(create);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /^kumite: hooks\.prestart\[0\] \(\/bin\/sh\) ended with status 7 \(hook\)\n/);
    assert.match(finished.stderr, /the reason/);
    const last = JSON.parse((await readFile(log, "utf8")).trimEnd().split("\n").at(-1) ?? "") as Record<
      string,
      unknown
    >;
    assert.deepEqual([last.level, last.code], ["error", "hook/failed"]);
    assert.match(String(last.msg), /prestart.*status 7.*the reason/);
    assert.equal(await readFile(trace, "utf8"), "undone\n");
  });

  it("of kind poststop run even after the shim was killed and without the bundle, and failures are only reported", async () => {
    const [trace, log, id] = [place.path("trace"), place.path("log"), place.newId()];
    const bundle = await place.bundle(forever, (config) => {
      config.hooks = {
        poststop: [
          { path: "/bin/sh", args: ["sh", "-c", "echo no >&2; exit 1"] },
          { path: "/bin/sh", args: ["sh", "-c", `pwd >> ${trace}; cat >> ${trace}`] },
        ],
      };
    });
    await place.runDetached(bundle, id);
    const journal = JSON.parse(await readFile(`${place.root}/${id}/journal.json`, "utf8")) as {
      owner: { pid: number };
    };
    process.kill(journal.owner.pid, "SIGKILL");
    await place.untilStatus(id, "stopped");
    await rename(bundle.directory, `${bundle.directory}.gone`);
    const deleted = await place.must(["--log", log, "delete", "--force", id]);
    assert.match(deleted.stderr, /^kumite: hooks\.poststop\[0\] \(\/bin\/sh\) ended with status 1: no\n$/);
    const [cwd, state = ""] = (await readFile(trace, "utf8")).split("\n");
    assert.equal(cwd, "/");
    assert.deepEqual((JSON.parse(state) as Traced["state"]).status, "stopped");
    assert.match(await readFile(log, "utf8"), /hooks\.poststop\[0\] \(\/bin\/sh\) ended with status 1: no/);
  });

  it("of kind poststart end the container when they fail", async () => {
    const bundle = await place.bundle(forever, (config) => {
      config.hooks = { poststart: [{ path: "/bin/false" }] };
    });
    const finished = await place.run(bundle);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /hooks\.poststart\[0\] \(\/bin\/false\) ended with status 1/);
  });
});
