import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { claimContainer } from "../persist/claim.ts";
import { sandboxPaths } from "../persist/paths.ts";
import { type RecordedStatus, readRecord, writeRecord } from "../persist/record.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { runCli } from "./run-cli.ts";

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

describe("a verb", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  let directory: string;
  let root: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-cli-"));
  });
  after(() => rm(directory, { recursive: true }));
  let count = 0;
  beforeEach(() => {
    root = join(directory, `root${++count}`);
  });

  async function kumite(...words: string[]): Promise<Result> {
    let [out, err] = ["", ""];
    const output = {
      out: async (text: string) => {
        out += text;
      },
      err: async (text: string) => {
        err += text;
      },
    };
    const self = { ...os.self, argv: ["kumite", "--root", root, ...words], cwd: () => directory };
    const status = await runCli({ ...os, self }, { output });
    return { status, out, err };
  }

  /** A sandbox with nothing but a record. While this process lives, the sandbox counts as being created. */
  async function sandbox(id: string, status?: RecordedStatus): Promise<void> {
    const annotations = id === "annotated" ? { key: "value" } : {};
    const { paths } = await claimContainer(os, { root, id, bundle: "/b", rootfs: "/b/rootfs", annotations });
    const record = await readRecord(os, paths.state);
    assert.ok(record);
    await writeRecord(os, paths.state, { ...record, createdMs: 1_700_000_000_123, ...(status && { status }) });
  }

  async function sandboxIs(id: string, status: RecordedStatus): Promise<void> {
    const { state } = sandboxPaths(root, id);
    const record = await readRecord(os, state);
    assert.ok(record);
    await writeRecord(os, state, { ...record, status });
  }

  const stopped: RecordedStatus = { phase: "stopped", exitStatus: 3, exitedMs: 1 };

  it("that fails reports it once: what, in which phase, and what to do", async () => {
    assert.deepEqual(await kumite("state", "nope"), {
      status: 1,
      out: "",
      err: `kumite: container nope does not exist (state)\n  try: \`kumite --root ${root} list\` lists the containers\n`,
    });
    const usage = await kumite("creat");
    assert.match(usage.err, /^kumite: unknown verb "creat" \(arguments\)\n {2}try: did you mean `kumite create`\?\n$/);
  });

  it("that fails writes the error as the last line of its log too", async () => {
    const log = join(directory, "log.json");
    for (const words of [["state", "nope"], ["frobnicate"], ["create", "--bundel", "x"]]) {
      assert.equal((await kumite("--log", log, "--log-format", "json", ...words)).status, 1);
      const last = JSON.parse((await readFile(log, "utf8")).trimEnd().split("\n").at(-1) ?? "");
      assert.deepEqual([last.level, typeof last.msg, typeof last.time], ["error", "string", "string"]);
      assert.match(last.msg, /does not exist|frobnicate|--bundel/);
    }
  });

  it("with --debug and no log does not report a failure twice", async () => {
    assert.equal((await kumite("--debug", "state", "nope")).err.match(/does not exist/g)?.length, 1);
  });

  it("state prints the same as runc, without a newline", async () => {
    await sandbox("web", stopped);
    const { out } = await kumite("state", "web");
    assert.equal(
      out,
      `{
  "ociVersion": "1.1.0",
  "id": "web",
  "pid": 0,
  "status": "stopped",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2023-11-14T22:13:20.123Z",
  "owner": ""
}`,
    );
    await sandbox("annotated", stopped);
    assert.deepEqual(JSON.parse((await kumite("state", "annotated")).out).annotations, { key: "value" });
  });

  it("list shows every container as a table, as JSON or as ids", async () => {
    assert.equal((await kumite("list")).out, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    assert.equal((await kumite("list", "--format", "json")).out, "null\n");
    await sandbox("b", stopped);
    await sandbox("a");
    assert.equal((await kumite("list", "-q")).out, "a\nb\n");
    const rows = (await kumite("list")).out.split("\n");
    assert.match(rows[1] ?? "", /^a {11}0 {11}creating {4}\/b {10}2023-11-14T22:13:20\.123Z {3}\S+$/);
    assert.match(rows[2] ?? "", /^b {11}0 {11}stopped {5}\/b /);
    const documents = JSON.parse((await kumite("list", "-f", "json")).out);
    assert.deepEqual(
      documents.map(({ id, owner }: { id: string; owner: string }) => [id, owner]),
      [
        ["a", userInfo().username],
        ["b", userInfo().username],
      ],
    );
  });

  it("list skips what is no container, and reports one that cannot be read", async () => {
    await sandbox("good", stopped);
    await sandbox("broken", stopped);
    await mkdir(join(root, "other"));
    await writeFile(join(root, "broken/state.json"), "{");
    const { status, out, err } = await kumite("list", "--quiet");
    assert.deepEqual([status, out], [0, "good\n"]);
    assert.match(err, /^kumite: container broken cannot be shown: .*state\.json/);
  });

  it("refuses a container in the wrong state, in words that engines look for", async () => {
    await sandbox("web", stopped);
    const refusals: [words: string[], text: RegExp][] = [
      [["start", "web"], /cannot start a container that has stopped/],
      [["kill", "web"], /container not running/],
      [["kill", "web", "0"], /container not running/],
      [["exec", "web", "true"], /cannot exec in a stopped container/],
    ];
    for (const [words, text] of refusals) {
      const { status, err } = await kumite(...words);
      assert.equal(status, words[0] === "exec" ? 255 : 1);
      assert.match(err, text);
    }
    assert.equal((await kumite("kill", "--all", "web")).status, 0, "all of none have been sent the signal");
    await sandbox("new");
    assert.match((await kumite("delete", "new")).err, /not stopped: it is creating/);
    const starting = kumite("start", "new");
    await sandboxIs("new", stopped);
    assert.match((await starting).err, /cannot start a container that has stopped/, "a create under way is waited for");
  });

  it("with several ids tries each and reports each failure", async () => {
    const { status, err } = await kumite("delete", "one", "two");
    assert.equal(status, 1);
    assert.match(err, /container one does not exist[\s\S]*container two does not exist/);
    assert.deepEqual(await kumite("delete", "--force", "one", "two"), { status: 0, out: "", err: "" });
  });

  it("delete accepts a regular expression for ids", async () => {
    for (const id of ["web-1", "web-2", "web-x", "db"]) await sandbox(id);
    assert.match(
      (await kumite("delete", "--regex", "web-(")).err,
      /--regex: "web-\(" is not a valid regular expression/,
    );
    const { err } = await kumite("delete", "--regex", "^web-\\d$");
    assert.equal(err.match(/cannot delete a container that is not stopped/g)?.length, 2, err);
    assert.equal((await kumite("delete", "--regex", "^nothing")).status, 0, "none is no error");
  });

  it("refuses an invalid id, even with --force", async () => {
    for (const verb of [["state"], ["delete", "--force"], ["kill"], ["start"], ["exec"]]) {
      assert.match(
        (await kumite(...verb, "../x", ...(verb[0] === "exec" ? ["true"] : []))).err,
        /"\.\.\/x" is not valid/,
      );
    }
  });

  it("kill refuses an unknown signal before it looks for the container", async () => {
    assert.match((await kumite("kill", "nope", "NOSUCH")).err, /unknown signal "NOSUCH"/);
  });

  it("spec writes a configuration once, and does not overwrite it", async () => {
    assert.deepEqual(await kumite("spec"), { status: 0, out: "", err: "" });
    const text = await readFile(join(directory, "config.json"), "utf8");
    assert.match(text, /^\{\n\t"ociVersion": "1\.\d/);
    const again = await kumite("spec", "--bundle", directory);
    assert.equal(again.status, 1);
    assert.match(again.err, new RegExp(`${directory}/config.json exists`));
    assert.equal(await readFile(join(directory, "config.json"), "utf8"), text);
  });

  it("create and run refuse invalid input before anything is created", async () => {
    const bundle = join(directory, "bundle");
    await mkdir(join(bundle, "rootfs"), { recursive: true });
    await kumite("spec", "--bundle", bundle);
    const refusals: [words: string[], text: RegExp][] = [
      [["--bundle", "/nowhere", "x"], /\/nowhere/],
      [["--bundle", join(bundle, "rootfs"), "x"], /rootfs\/config\.json: no such file.*\n {2}try: .*--bundle/],
      [["--bundle", bundle, "x"], /--console-socket/],
      [["--bundle", bundle, "--preserve-fds", "1", "x"], /--preserve-fds 1/],
      [["--bundle", bundle, "--console-socket", "/s", "--pid-file", "/nowhere/pid", "x"], /\/nowhere/],
    ];
    for (const [words, text] of refusals) {
      for (const verb of [["create"], ["run", "--detach"]]) {
        const { status, out, err } = await kumite(...verb, ...words);
        assert.deepEqual([status, out], [1, ""]);
        assert.match(err, text);
        assert.match(err, /\n {2}try: /);
      }
    }
    assert.deepEqual(await readdir(directory).then((names) => names.includes(`root${count}`)), false);
  });

  it("version prints what is installed, or that this is unknown", async () => {
    assert.equal(
      (await kumite("version")).out,
      "kumite  : <<unknown>>\n   commit   : <<unknown>>\n   OCI specs: 1.1.0\n",
    );
  });

  it("features prints JSON with the contents that the specification requires", async () => {
    const document = JSON.parse((await kumite("features")).out);
    assert.deepEqual([document.ociVersionMin, document.linux.seccomp.enabled], ["1.0.0", true]);
    assert.ok(document.mountOptions.includes("rbind") && document.linux.namespaces.includes("pid"));
  });

  it("resolves a relative root from the working directory", async () => {
    root = `rel${count}`;
    await mkdir(join(directory, root));
    const absolute = join(directory, root);
    await claimContainer(os, { root: absolute, id: "web", bundle: "/b", rootfs: "/b/rootfs", annotations: {} });
    assert.equal((await kumite("list", "-q")).out, "web\n");
  });

  it("names a root that cannot be used", async () => {
    root = join(directory, "file");
    await writeFile(root, "");
    const { status, err } = await kumite("list");
    assert.equal(status, 1);
    assert.match(err, new RegExp(`${root}: not a directory`));
  });
});
