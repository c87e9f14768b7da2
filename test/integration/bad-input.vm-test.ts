/**
 * Each wrong input, and each part that is missing or broken, gives one clear error and status 1, and leaves nothing.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { cpioArchive } from "../../tools/guest/cpio.ts";
import { type Bundle, busyboxPath, type OciConfig, shell, writeConfig } from "../support/bundle.ts";
import { type Finished, describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("bad input", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("bad");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  /** One error of a few lines, only on stderr, that names its subject. */
  function explained(finished: Finished, ...about: (string | RegExp)[]): void {
    assert.equal(finished.status, 1, show(finished));
    assert.equal(finished.stdout, "");
    assert.match(finished.stderr, /^kumite: /, show(finished));
    for (const what of about)
      assert.match(finished.stderr, typeof what === "string" ? new RegExp(literal(what)) : what);
    assert.doesNotMatch(finished.stderr, /\n {2,}at |undefined|\[object/, "no stack trace, nothing unprinted");
  }

  async function createFails(bundle: string, ...about: (string | RegExp)[]): Promise<void> {
    explained(await place.runtime(["create", "--bundle", bundle, place.newId()]), ...about);
  }

  it("in the bundle is named with the path: no directory, not a directory, no configuration", async () => {
    const missing = place.path("missing");
    await createFails(missing, missing);
    const file = place.path("file");
    await writeFile(file, "");
    await createFails(file, file, /not a directory/);
    const empty = place.path("empty");
    await mkdir(empty);
    await createFails(empty, "config.json", /no such file/);
  });

  it("in config.json is named with its place in the file", async () => {
    const bundle = await place.bundle();
    const good = JSON.parse(await readFile(bundle.configFile, "utf8")) as OciConfig;
    const broken: [unknown, RegExp][] = [
      [{ ...good, process: { ...good.process, args: "sh" } }, /process\.args/],
      [{ ...good, process: { ...good.process, user: { uid: -1, gid: 0 } } }, /process\.user\.uid/],
      [{ ...good, process: { ...good.process, cwd: "relative" } }, /process\.cwd/],
      [{ ...good, mounts: [{ destination: 5 }] }, /mounts/],
      [{ ...good, ociVersion: "2.0.0" }, /ociVersion/],
      [{ ...good, root: undefined }, /root/],
      [{ ...good, root: { path: "no-such-rootfs" } }, /no-such-rootfs/],
      [{ ...good, linux: { ...good.linux, resources: { memory: { limit: "much" } } } }, /memory\.limit/],
      ["a text", /config\.json/],
    ];
    for (const [config, about] of broken) {
      await writeConfig(bundle, config);
      await createFails(bundle.directory, about);
    }
    await writeFile(bundle.configFile, '{ "ociVersion": "1.0.2", ');
    await createFails(bundle.directory, "config.json", /line 1/);
  });

  it("on the command line is named, with what would be valid", async () => {
    explained(await place.runtime(["frobnicate"]), "frobnicate");
    explained(await place.runtime(["crate", "x"]), /create/);
    explained(await place.runtime(["create", "--bundel", "/x", "id"]), "--bundel", "--bundle");
    explained(await place.runtime(["create"]), /ID/);
    explained(await place.runtime(["state", "a", "b"]), /state/);
    explained(await place.runtime(["kill", "a", "NOSUCH"]), /NOSUCH|does not exist/);
  });

  it("in an id is refused before anything is created", async () => {
    const { directory } = await place.bundle();
    for (const id of ["../up", "a/b", ".hidden", "a b", "x".repeat(200), ""]) {
      explained(await place.runtime(["create", "--bundle", directory, id]));
    }
  });

  it("such as an id in use does not affect the container that has it", async () => {
    const bundle = await place.bundle(shell("while :; do sleep 1; done"));
    const id = await place.runDetached(bundle);
    explained(await place.runtime(["create", "--bundle", bundle.directory, id]), id, /exists|in use/);
    assert.equal((await place.must(["exec", id, "echo", "alive"])).stdout, "alive\n");
    await place.remove(id);
  });

  it("such as a console socket that does not exist is named", async () => {
    const bundle = await place.bundle((config) => {
      config.process.terminal = true;
    });
    const socket = place.path("no-socket");
    explained(
      await place.runtime(["create", "--bundle", bundle.directory, "--console-socket", socket, place.newId()]),
      socket,
    );
  });

  it("is also in the log, in the form that engines read", async () => {
    const log = place.path("log");
    const missing = place.path("missing");
    await place.runtime(["--log", log, "--log-format", "json", "create", "--bundle", missing, "x"]);
    const last = JSON.parse((await readFile(log, "utf8")).trim().split("\n").at(-1) ?? "") as Record<string, string>;
    assert.equal(last.level, "error");
    assert.ok(last.msg?.includes(missing), last.msg);
    assert.ok(!Number.isNaN(Date.parse(last.time ?? "")), last.time);
  });
});

describe("a wrong configuration", onlyKumite, () => {
  let place: Workplace;
  let file: string;
  before(async () => {
    place = await Workplace.open("wrong");
    file = place.path("image");
    await writeFile(file, "an image");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  interface Wrong {
    readonly text?: string;
    readonly dropIn?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly flags?: readonly string[];
  }

  /** One error with its place and a remedy; nothing is created. */
  async function refuses(wrong: Wrong, ...about: RegExp[]): Promise<void> {
    const directory = place.path("configuration");
    const bundle = await place.bundle(shell("true"), (config: OciConfig) => {
      Object.assign(config, { annotations: wrong.annotations ?? {} });
    });
    await mkdir(`${directory}/config.d`, { recursive: true });
    await writeFile(`${directory}/k.toml`, wrong.text ?? "");
    if (wrong.dropIn === "a directory") await mkdir(`${directory}/config.d/10`);
    else if (wrong.dropIn !== undefined) await writeFile(`${directory}/config.d/10`, wrong.dropIn);
    const global = ["--config", `${directory}/k.toml`, ...(wrong.flags ?? [])];
    const finished = await place.runtime([...global, "create", "--bundle", bundle.directory, place.newId()]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /^kumite: [^\n]+ \([\w.]+\)\n(?: {2}because: [^\n]+\n)*(?: {2}try: [^\n]+\n)+$/);
    for (const what of about) assert.match(finished.stderr, what);
    assert.equal((await place.must(["list", "--quiet"])).stdout, "");
  }

  const hypervisor = "io.katacontainers.config.hypervisor.";
  const anything = '[hypervisor.qemu]\nenable_annotations = [".*"]\n';

  it("is refused with the place and a remedy, whatever part of it is wrong", async () => {
    const qemu = "[hypervisor.qemu]\n";
    await refuses({ text: `${qemu}default_memory = "much"` }, /k\.toml:2:1: .*default_memory must be a number/);
    await refuses({ text: `${qemu}kernel = /vmlinuz` }, /k\.toml:2:10: /, /the file must be TOML/);
    await refuses({ text: `${qemu}initrd = "/no/initrd"` }, /k\.toml:2:1: .*initrd: .*\/no\/initrd: no such file/);
    await refuses(
      { text: `${qemu}initrd = "${file}"\nimage = "${file}"` },
      /k\.toml:3:1: .*both an image and an initrd/,
    );
    await refuses(
      { dropIn: "a directory" },
      /config\.d\/10: the file cannot be read/,
      /make it readable, or remove it/,
    );
    await refuses(
      { dropIn: `${qemu}kernal = "/k"` },
      /config\.d\/10:2:1: error applying key .*kernal/,
      /did you mean kernel\?/,
    );
    await refuses(
      { flags: ["--set", "runtime.enable_debug=perhaps"] },
      /--set runtime\.enable_debug=perhaps: .*true or false/,
    );
    await refuses({ text: "#".repeat(1 << 20) }, /k\.toml: the file is larger than/);
    await refuses({ text: `a = ${"[".repeat(40_000)}` }, /k\.toml:1:\d+: /);
  });

  it("is refused because of an annotation that is not enabled, not allowed, for another file, or empty", async () => {
    const kernel = { [`${hypervisor}kernel`]: file };
    await refuses(
      { annotations: kernel },
      /annotation .*kernel is not enabled/,
      /enable_annotations of \[hypervisor.qemu\]/,
    );
    await refuses(
      { text: anything, annotations: { ...kernel, [`${hypervisor}kernel_hash`]: "00" } },
      /Invalid hash for .*image/,
    );
    await refuses(
      {
        text: `${anything}valid_hypervisor_paths = ["/opt/*"]`,
        annotations: { [`${hypervisor}path`]: "/usr/bin/true" },
      },
      /annotation .*path: \/usr\/bin\/true is not allowed/,
      /valid_hypervisor_paths/,
    );
    await refuses({ text: anything, annotations: { [`${hypervisor}default_vcpus`]: "many" } }, /default_vcpus must be/);
  });

  it("is an error for config check if a key is unknown; a start only warns", async () => {
    const toml = place.path("unknown.toml");
    await writeFile(toml, "[hypervisor.qemu]\ndefault_vcpu = 1\n");
    const finished = await place.runtime(["config", "check", toml]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(
      finished.stdout,
      /:2:1: error: hypervisor\.qemu\.default_vcpu is not a known key\n {2}try: did you mean default_vcpus\?/,
    );
  });
});

describe("a VM that cannot start", onlyKumite, () => {
  let place: Workplace;
  let bundle: Bundle;
  before(async () => {
    place = await Workplace.open("boot");
    bundle = await place.bundle(shell("true"));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  async function runWith(toml: string, id = place.newId()): Promise<Finished> {
    const file = place.path("configuration.toml");
    await writeFile(file, toml);
    const finished = await place.runtime(["--config", file, "run", "--bundle", bundle.directory, id]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /^kumite: /, show(finished));
    assert.match(finished.stderr, /\n {2}try: /, "a hint");
    return finished;
  }

  async function initrd(...entries: Parameters<typeof cpioArchive>[0]): Promise<string> {
    const file = place.path("initrd.img");
    await writeFile(file, cpioArchive(entries));
    return file;
  }

  it("because QEMU is missing names the path", async () => {
    assert.match((await runWith('[hypervisor.qemu]\npath = "/nowhere/qemu"\n')).stderr, /\/nowhere\/qemu/);
  });

  it("because the kernel or the initrd is missing names the path", async () => {
    assert.match((await runWith('[hypervisor.qemu]\nkernel = "/nowhere/vmlinux"\n')).stderr, /\/nowhere\/vmlinux/);
    assert.match((await runWith('[hypervisor.qemu]\ninitrd = "/nowhere/initrd"\n')).stderr, /\/nowhere\/initrd/);
  });

  it("because the virtio-fs daemon is missing names the path", async () => {
    assert.match(
      (await runWith('[hypervisor.qemu]\nvirtio_fs_daemon = "/nowhere/virtiofsd"\n')).stderr,
      /\/nowhere\/virtiofsd/,
    );
  });

  it("because the virtio-fs daemon exits at once shows the daemon's output", async () => {
    const daemon = place.path("virtiofsd");
    await writeFile(daemon, "#!/bin/sh\necho no rights for this >&2\nexit 1\n", { mode: 0o755 });
    const { stderr } = await runWith(`[hypervisor.qemu]\nvirtio_fs_daemon = "${daemon}"\n`);
    assert.match(stderr, /\n {2}because: virtiofsd ended with status 1: no rights for this\n/);
  });

  it("because the kernel file is no kernel says so", async () => {
    const kernel = place.path("vmlinux");
    await writeFile(kernel, "not a kernel\n");
    assert.match((await runWith(`[hypervisor.qemu]\nkernel = "${kernel}"\n`)).stderr, new RegExp(literal(kernel)));
  });

  it("because the configuration is wrong names file, key and the allowed values", async () => {
    const { stderr } = await runWith('[hypervisor.qemu]\nmachine_type = "toaster"\n');
    assert.match(stderr, /configuration\.toml/);
    assert.match(stderr, /machine_type/);
    assert.match(stderr, /q35/);
  });

  it("because the kernel panics shows the last lines of its console", async () => {
    const empty = await initrd({ kind: "directory", path: "empty", mode: 0o755 });
    const id = place.newId();
    const { stderr } = await runWith(`[hypervisor.qemu]\ninitrd = "${empty}"\n`, id);
    assert.match(stderr, /console:[\s\S]*Kernel panic/);
    assert.match(stderr, new RegExp(`try: .*kumite logs ${literal(id)}`));
    const kept = await place.must(["logs", id]);
    assert.match(kept.stderr, new RegExp(`container ${literal(id)} has been gone since .*: it was not created`));
    assert.match(kept.stdout, /^\S+Z console .*Kernel panic/m);
    assert.match(kept.stdout, /^\S+Z shim .*the container was not created/m);
  });

  it("because the agent does not answer shows how long it waited, and the console", async () => {
    const asleep = await initrd(
      { kind: "directory", path: "bin", mode: 0o755 },
      { kind: "directory", path: "dev", mode: 0o755 },
      { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
      { kind: "file", path: "bin/busybox", mode: 0o755, content: await readFile(await busyboxPath()) },
      {
        kind: "file",
        path: "init",
        mode: 0o755,
        content: Buffer.from("#!/bin/busybox sh\necho asleep; exec /bin/busybox sleep 100000\n"),
      },
    );
    const waiting = async (seconds: number): Promise<string> => {
      const toml = `[hypervisor.qemu]\ninitrd = "${asleep}"\n[agent.kata]\ndial_timeout = ${seconds}\n`;
      const { stderr } = await runWith(toml);
      assert.match(stderr, new RegExp(`agent.* ${seconds}000 ms`, "s"));
      return stderr;
    };
    const said = /console:.*asleep/s;
    const first = await waiting(6);
    // A slow host has not booted the VM by then.
    assert.match(said.test(first) ? first : await waiting(60), said);
  });
});

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
