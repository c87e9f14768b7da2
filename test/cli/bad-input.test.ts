/**
 * The built executable with invalid input: status 1 (255 from exec), one error that names the subject, nothing left in
 * the state root. Needs no VM; test/integration tests VMs that cannot start.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { execute, type Finished, describe as show } from "../support/command.ts";
import { testInstallRoot } from "../support/node-os.ts";
import { Workplace } from "../support/workplace.ts";

const executable = path.join(testInstallRoot, "kumite");
const built = { skip: existsSync(executable) ? false : `${executable} is not built: run \`npm run setup\`` };

describe("the executable", built, () => {
  let place: Workplace;
  let root: string;
  let bundle: string;
  let config: string;
  let good: Record<string, unknown>;
  before(async () => {
    place = await Workplace.open("cli");
    bundle = place.path("bundle");
    config = path.join(bundle, "config.json");
    await mkdir(path.join(bundle, "rootfs"), { recursive: true });
    assert.equal((await execute([executable, "spec", "--bundle", bundle])).status, 0);
    good = JSON.parse(await readFile(config, "utf8"));
    good.process = { ...(good.process as object), terminal: false };
  });
  after(() => rm(place.directory, { recursive: true }));
  beforeEach(async () => {
    root = place.path("root");
    await writeFile(config, JSON.stringify(good));
  });

  const kumite = (...words: string[]): Promise<Finished> =>
    execute([executable, "--root", root, ...words], { cwd: bundle, env: {} });

  /** `about` is what the error has to name. */
  async function fails(words: readonly string[], ...about: RegExp[]): Promise<void> {
    const finished = await kumite(...words);
    assert.equal(finished.status, words[0] === "exec" ? 255 : 1, show(finished));
    assert.equal(finished.stdout, "");
    assert.match(finished.stderr, /^kumite: [^\n]+ \([\w.]+\)\n(?: {2}because: [^\n]+\n)*(?: {2}try: [^\n]+\n)$/);
    for (const what of about) assert.match(finished.stderr, what);
    assert.deepEqual(existsSync(root) ? await readdir(root) : [], [], "nothing is left");
  }

  async function changed(change: Record<string, unknown> | string): Promise<void> {
    await writeFile(config, typeof change === "string" ? change : JSON.stringify({ ...good, ...change }));
  }

  it("names a bundle that is missing, no directory, or without configuration", async () => {
    await fails(["create", "--bundle", "/no/such/bundle", "x"], /\/no\/such\/bundle/);
    await fails(["create", "--bundle", config, "x"], /config\.json is not a directory/);
    const empty = place.path("empty");
    await mkdir(empty);
    await fails(["create", "--bundle", empty, "x"], new RegExp(`${empty}/config\\.json: no such file`));
    const loop = place.path("loop");
    await symlink(loop, loop);
    await fails(["run", "--bundle", loop, "x"], new RegExp(`${loop}: too many symbolic links`));
  });

  it("names the key of config.json that is wrong, or the place of a syntax error", async () => {
    const process = good.process as object;
    const cases: [Record<string, unknown> | string, RegExp][] = [
      ["", /config\.json: line 1, column 1/],
      ['{ "ociVersion": "1.0.2",\n  x', /line 2, column 3/],
      ["[]", /config\.json: the document is wrong/],
      [JSON.stringify(good).slice(0, 300), /config\.json: line 1, column 301/],
      [JSON.stringify({ ...good, more: "x".repeat(1 << 20) }), /config\.json: the file is larger than 1048576 bytes/],
      [`{"a":${"[".repeat(200_000)}`, /config\.json: line 1, column \d+: .*deep/],
      [{ annotations: { "io.kubernetes.cri.container-type": "pod" } }, /Unknown container type pod/],
      [{ ociVersion: "2.0.0" }, /ociVersion/],
      [{ ociVersion: 1 }, /ociVersion is wrong: expected a string, got 1/],
      [{ process: undefined }, /process is missing/],
      [{ process: { ...process, args: [] } }, /process\.args/],
      [{ process: { ...process, args: "sh" } }, /process\.args is wrong: expected an array, got "sh"/],
      [{ process: { ...process, cwd: "tmp" } }, /process\.cwd must be an absolute path/],
      [{ process: { ...process, user: { uid: -1 } } }, /process\.user\.uid/],
      [{ root: { path: "elsewhere" } }, /elsewhere/],
      [{ root: { path: "config.json" } }, /root\.path: .*config\.json has no file system/],
      [{ linux: undefined }, /linux is missing/],
      [{ hooks: { prestart: [{ path: "hook" }] } }, /hooks\.prestart\[0\]\.path must be an absolute path/],
      [{ hooks: { poststop: [{ path: "/h", timeout: 0 }] } }, /hooks\.poststop\[0\]\.timeout is wrong/],
      [{ mounts: [{}] }, /mounts\[0\]\.destination is missing/],
      [{ process: { ...process, terminal: true } }, /--console-socket/],
    ];
    for (const [change, about] of cases) {
      await changed(change);
      await fails(["create", "x"], about);
    }
  });

  it("names the verb, flag or argument that is wrong", async () => {
    await fails([], /no verb/);
    await fails(["creat", "x"], /unknown verb "creat"/, /`kumite create`/);
    await fails(["create", "--bundel", ".", "x"], /create: unknown flag --bundel/, /--bundle/);
    await fails(["create"], /create: argument ID is missing/);
    await fails(["create", "a", "b"], /create: unexpected argument "b"/);
    await fails(["list", "--format", "xml"], /--format: unknown value "xml"/, /table, json/);
    await fails(["--log-format", "xml", "list"], /--log-format: unknown value "xml"/, /text, json/);
    await fails(["--log", "/no/such/log", "list"], /\/no\/such\/log/);
    await fails(["kill", "x", "SIGNOSUCH"], /unknown signal "SIGNOSUCH"/);
    await fails(["create", "--preserve-fds", "x", "y"], /--preserve-fds: "x" is not a number/);
    await fails(["create", "--pid-file", "/no/such/dir/pid", "x"], /\/no\/such\/dir/);
  });

  it("refuses what only a kernel shared with the host could do, and says why", async () => {
    await fails(["checkpoint", "--leave-running", "x"], /checkpoint is not supported: criu/);
    await fails(["restore", "x"], /restore is not supported: criu/);
    await fails(["create", "--preserve-fds", "3", "x"], /--preserve-fds 3: .*descriptors/);
    await fails(["run", "--preserve-fds", "3", "x"], /--preserve-fds 3: .*descriptors/);
    await fails(["exec", "--preserve-fds", "1", "x", "ls"], /--preserve-fds 1: .*descriptors/);
    await fails(["spec", "--rootless"], /spec: --rootless is not supported/);
    await fails(["create", "--preserve-fds", "0", "--bundle", "/no/such/bundle", "x"], /\/no\/such\/bundle/);
  });

  it("reads another configuration file than the bundle's, and names it", async () => {
    const other = place.path("other.json");
    await writeFile(other, JSON.stringify({ ...good, ociVersion: "2.0.0" }));
    await fails(["create", "--config", other, "x"], new RegExp(`${other}: ociVersion`));
    await fails(["run", "-f", path.relative(bundle, other), "x"], new RegExp(`${other}: ociVersion`));
    await fails(["run", "--config", "/no/such.json", "x"], /\/no\/such\.json: no such file/);
    await changed("no JSON");
    await fails(["create", "--config", other, "x"], new RegExp(`${other}: ociVersion`));
  });

  it("refuses an invalid id before it looks at anything else", async () => {
    for (const id of ["", ".", "..", "../up", "a/b", ".hidden", "-", "a b", "a\nb", "x".repeat(129), "ä"]) {
      await fails(["create", "--bundle", "/no/such/bundle", "--", id], /is not valid/);
    }
  });

  it("refuses verbs on a container that does not exist", async () => {
    for (const words of [
      ["state", "x"],
      ["start", "x"],
      ["kill", "x"],
      ["delete", "x"],
      ["exec", "x", "ls"],
    ]) {
      await fails(words, /container x does not exist/);
    }
    assert.equal((await kumite("delete", "--force", "x")).status, 0);
  });

  it("names a root that is no directory", async () => {
    await writeFile(root, "");
    for (const words of [["list"], ["create", "x"]]) {
      const finished = await kumite(...words);
      assert.equal(finished.status, 1);
      assert.match(finished.stderr, new RegExp(`${root}[^\n]*\n {2}try: `));
    }
  });

  it("prints help and version on standard output, with status 0", async () => {
    for (const words of [["help"], ["--help"], ["help", "run"], ["run", "--help"], ["--version"], ["version"]]) {
      const finished = await kumite(...words);
      assert.deepEqual([finished.status, finished.stderr], [0, ""]);
      assert.notEqual(finished.stdout, "");
    }
    assert.match(
      (await kumite("--version")).stdout,
      /^kumite {2}: \d+\.\d+\.\d+\n {3}commit {3}: \S+\n {3}OCI specs: 1\.\S+\n$/,
    );
  });

  it("fails when its output cannot be written", async () => {
    const words = [executable, "--root", root, "list"];
    const { stdout, stderr } = await execute(["sh", "-c", '"$@" >/dev/full; echo $?', "sh", ...words]);
    assert.equal(stdout, "1\n");
    assert.match(stderr, /no space left on device/);
  });

  it("ends silently, as by SIGPIPE, when the reader of its output has gone", async () => {
    const script = 'mkfifo "$0"; { read _ <"$0"; "$@"; echo $? >&2; } | { exec <&-; echo gone >"$0"; }';
    const { stderr } = await execute(["sh", "-c", script, place.path("gone"), executable, "help"]);
    assert.equal(stderr, "141\n");
  });

  it("says which bundle directory or configuration file is missing, and what to do", async () => {
    await fails(["spec", "--bundle", place.path("nowhere")], /nowhere\/config\.json/, /make the directory first/);
    await fails(
      ["create", "--config", place.path("other.json"), "x"],
      /other\.json: no such file/,
      /--config of this verb/,
    );
  });
});
