/**
 * The built executable with an installation or a shim that fails, at each moment of a create: one error that says why,
 * and nothing left. The shims are scripts of a few lines; no VM is booted.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { sandboxPaths } from "../../src/persist/paths.ts";
import { begin, type Finished, describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { testInstallRoot } from "../support/node-os.ts";
import { Workplace } from "../support/workplace.ts";

const built = path.join(testInstallRoot, "kumite");
const reason = existsSync(built)
  ? process.getuid?.() === 0
    ? false
    : "only root can start a sandbox"
  : `${built} is not built: run \`npm run setup\``;

/** Reports over the boot channel that it is ready, and accepts connections on its listening socket. */
const ready = `
  const net = require("node:net"), fs = require("node:fs");
  const boot = new net.Socket({ fd: 4 });
  const server = net.createServer((connection) => onConnection(connection)).listen({ fd: 3 });
  boot.end('{"ready":true}\\n');
`;

describe("a create that fails", { skip: reason }, () => {
  let place: Workplace;
  let install: string;
  let bundle: string;
  before(async () => {
    place = await Workplace.open("start");
    install = place.path("libexec");
    bundle = place.path("bundle");
    await mkdir(install);
    await mkdir(path.join(bundle, "rootfs"), { recursive: true });
    await copyFile(built, path.join(install, "kumite"));
    const spec = begin([built, "spec", "--bundle", bundle]);
    assert.equal((await spec.finished).status, 0);
    const config = JSON.parse(await readFile(path.join(bundle, "config.json"), "utf8"));
    config.process.terminal = false;
    await writeFile(path.join(bundle, "config.json"), JSON.stringify(config));
  });
  after(() => rm(place.directory, { recursive: true }));

  /** Replaces the shim by the script. */
  async function withShim(script: string, manifest: Record<string, unknown> = {}): Promise<void> {
    await writeFile(path.join(install, "shim.cjs"), script);
    await writeFile(path.join(install, "shim.js"), "");
    const files = { "shim.cjs": { size: Buffer.byteLength(script) }, "shim.js": { size: 0 } };
    const content = { version: "0", commit: "0", node: process.execPath, kernelVersion: "", files, ...manifest };
    await writeFile(path.join(install, "install.json"), JSON.stringify(content));
  }

  function create(...flags: string[]) {
    const id = place.newId();
    const words = ["--root", place.root, "create", "--bundle", bundle, ...flags, id];
    return { id, verb: begin([path.join(install, "kumite"), ...words]) };
  }

  async function fails(finished: Finished, id: string, ...about: RegExp[]): Promise<void> {
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /^kumite: /);
    for (const what of about) assert.match(finished.stderr, what);
    assert.deepEqual(await leftOf(id), []);
  }

  /** What exists of a sandbox on this host. */
  async function leftOf(id: string): Promise<string[]> {
    const { directory, socket } = sandboxPaths(place.root, id);
    const hierarchies = (await readdir("/sys/fs/cgroup")).map((name) => `/sys/fs/cgroup/${name}/kumite/${id}`);
    const found = [directory, socket, `/sys/fs/cgroup/kumite/${id}`, ...hierarchies].filter((file) => existsSync(file));
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
      if (words.includes(id)) found.push(words.join(" "));
    }
    return found;
  }

  it("because a part is not installed names it and the remedy", async () => {
    await withShim("", { node: "/no/such/node" });
    let { id, verb } = create();
    await fails(await verb.finished, id, /\/no\/such\/node/, /try: run `npm run setup`/);
    await withShim("", { files: {} });
    ({ id, verb } = create());
    await fails(await verb.finished, id, /shim\.js was not installed/, /try: run `npm run setup`/);
    await rm(path.join(install, "install.json"));
    ({ id, verb } = create());
    await fails(await verb.finished, id, /install\.json is missing/, /try: run `npm run setup`/);
  });

  it("because the shim dies at its start shows how, and the end of its log", async () => {
    await withShim(`throw new TypeError("the shim is broken");`);
    const { id, verb } = create();
    await fails(await verb.finished, id, /ended with status 1 \(shim\.start\)/, /because: (.|\n)*the shim is broken/);
  });

  it("because the shim cannot serve gives the shim's own reason", async () => {
    await withShim(`
      const net = require("node:net");
      const error = { code: "config/invalid", message: "the key is wrong", phase: "config.load", hint: "correct it", because: ["no such file"] };
      new net.Socket({ fd: 4 }).end(JSON.stringify({ error }) + "\\n");
    `);
    const { id, verb } = create();
    await fails(
      await verb.finished,
      id,
      /^kumite: the key is wrong \(config\.load\)\n {2}because: no such file\n {2}try: correct it\n$/,
    );
  });

  it("because the shim dies during a request says so", async () => {
    await withShim(`${ready} function onConnection() { setTimeout(() => process.exit(3), 300); }`);
    const { id, verb } = create();
    await fails(await verb.finished, id, /the shim of \S+ ended with status 3|the relay of/);
  });

  it("because nobody accepts the terminal names the socket", async () => {
    await withShim(`${ready} function onConnection() {}`);
    const config = path.join(bundle, "config.json");
    const plain = await readFile(config, "utf8");
    await writeFile(config, plain.replace('"terminal":false', '"terminal":true'));
    const { id, verb } = create("--console-socket", "/no/such/socket");
    const finished = await verb.finished;
    await writeFile(config, plain);
    await fails(finished, id, /--console-socket \/no\/such\/socket: .*no such file/);
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    it(`because of ${signal} removes everything, even if the shim does not answer`, async () => {
      const asked = place.path("asked");
      await withShim(
        `${ready} function onConnection(c) { c.once("data", () => fs.writeFileSync("${asked}", "")); c.on("close", () => process.exit(0)); }`,
      );
      const { id, verb } = create();
      await eventually("the shim is asked", async () => existsSync(asked) || undefined);
      process.kill(verb.pid, signal);
      await fails(await verb.finished, id, new RegExp(`ended by ${signal} \\(create\\)`));
    });
  }

  it("because the pid file cannot be written leaves no container", async () => {
    const directory = place.path("pids");
    await mkdir(path.join(directory, "pid/in-the-way"), { recursive: true });
    await withShim(answering.replace("broken = false", "broken = true"));
    const { id, verb } = create("--pid-file", path.join(directory, "pid"));
    await fails(await verb.finished, id, new RegExp(`--pid-file ${directory}/pid`));
    assert.deepEqual(await readdir(directory), ["pid"]);
  });

  it("has no pid file before the container exists", async () => {
    const pidFile = place.path("pid");
    await withShim(
      answering.replace(
        "/* before the answer */",
        `fs.writeFileSync("${pidFile}.seen", String(fs.existsSync("${pidFile}")));`,
      ),
    );
    const { id, verb } = create("--pid-file", pidFile);
    // The relay keeps the streams of the verb, so their end is not the verb's end.
    const [status] = await once(verb.child, "exit");
    assert.equal(status, 0);
    assert.equal(await readFile(`${pidFile}.seen`, "utf8"), "false");
    const pid = await readFile(pidFile, "utf8");
    assert.match(await readFile(`/proc/${pid}/cmdline`, "utf8"), new RegExp(`^kumite-relay\\0.*\\0${id}\\0`));
    const removed = begin([path.join(install, "kumite"), "--root", place.root, "delete", "--force", id]);
    assert.equal((await removed.finished).status, 0);
    assert.deepEqual(await leftOf(id), []);
  });
});

/**
 * Answers a CreateContainer with success (a response without status and payload), and ends at any other request; also
 * when its caller disconnects, if `broken` is set.
 */
const answering = `${ready} const broken = false;
  function onConnection(connection) {
    connection.on("data", (bytes) => {
      if (bytes.includes("AttachRelay")) return;
      if (!bytes.includes("CreateContainer")) process.exit(0);
      /* before the answer */
      const answer = Buffer.alloc(10);
      bytes.copy(answer, 4, 4, 8);
      answer[8] = 2;
      connection.write(answer);
      connection.on("close", () => broken && process.exit(0));
    });
  }
`;
