/** The VM cache: VMs that are ready before they are needed, are given out once, and end with their server. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "../../src/protocol/gen/google/protobuf/empty.ts";
import { GrpcStatus, GrpcVM, GrpcVMConfig } from "../../src/protocol/gen/kata/cache.ts";
import { fromWire } from "../../src/vm/wire.ts";
import { type Bundle, type Patch, shell } from "../support/bundle.ts";
import { begin, execute, type Finished, succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testQemuFlags } from "../support/qemu.ts";
import { processOf, sandboxProcesses, untilConnected } from "../support/sandbox.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

interface CacheDocument {
  readonly pid: number;
  readonly wanted: number;
  readonly machines: readonly { readonly pid: number; readonly vcpus: number; readonly memoryMiB: number }[];
}

describe("the VM cache", onlyKumite, () => {
  let place: Workplace;
  let config: string;
  let endpoint: string;
  let bundle: Bundle;

  before(async () => {
    place = await Workplace.open("cache");
    config = place.path("configuration.toml");
    endpoint = path.join(place.directory, "cache", "cache.sock");
    writeConfig(256);
    bundle = await place.bundle(shell("echo up; while :; do sleep 1; done"));
  });
  after(() => place[Symbol.asyncDispose]());
  afterEach(async () => {
    const destroyed = await factory("destroy");
    assert.equal(destroyed.status, 0, destroyed.stderr);
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root, "/run/kumite-cache"] }));

  function writeConfig(memoryMiB: number, more: readonly string[] = []): void {
    const lines = [
      "[hypervisor.qemu]",
      `default_memory = ${memoryMiB}`,
      "[factory]",
      "vm_cache_number = 1",
      `vm_cache_endpoint = "${endpoint}"`,
      ...more,
    ];
    writeFileSync(config, `${lines.join("\n")}\n`);
  }

  const withConfig = (...args: string[]) => place.argv("--config", config, ...args);
  const factory = (...args: string[]): Promise<Finished> => execute(withConfig("factory", ...args));

  async function status(): Promise<CacheDocument | undefined> {
    return (JSON.parse((await factory("status", "--json")).stdout) as { cache?: CacheDocument }).cache;
  }

  /** Resolves when the server has a VM ready. */
  async function served(): Promise<CacheDocument> {
    const { status: code, stdout, stderr } = await factory("init", "--json");
    assert.equal(code, 0, stderr);
    const { cache } = JSON.parse(stdout) as { cache: { pid: number } };
    const shown = await ready();
    assert.deepEqual(cache, { pid: shown.pid, wanted: 1, endpoint });
    return shown;
  }

  async function cgroupsNamed(name: string): Promise<string> {
    return (await execute(["find", "/sys/fs/cgroup", "-maxdepth", "4", "-name", name])).stdout;
  }

  function ready(other = -1): Promise<CacheDocument> {
    return eventually("a machine that is ready", async () => {
      const cache = await status();
      return cache?.machines.some(({ pid }) => pid !== other) ? cache : undefined;
    });
  }

  async function started(of = bundle): Promise<{ id: string; log: string }> {
    const id = place.newId();
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', path.join(place.directory, `${id}.err`)];
    await succeed([...quiet, ...withConfig("run", "--detach", "--bundle", of.directory, id)]);
    return { id, log: readFileSync(path.join(place.root, id, "shim.log"), "utf8") };
  }

  it("gives a container a VM that was ready before, and starts another one", async () => {
    const { machines } = await served();
    const { id, log } = await started();
    assert.match(log, /the VM is from the cache/);
    assert.deepEqual(sandboxProcesses(id).get("qemu"), [machines[0]?.pid]);
    assert.equal((await place.must(["exec", id, "sh", "-c", "echo seen > /seen; cat /seen"])).stdout, "seen\n");
    assert.equal(readFileSync(path.join(bundle.rootfs, "seen"), "utf8"), "seen\n");
    await ready(machines[0]?.pid);
    await place.must(["delete", "--force", id]);
    assert.deepEqual([...sandboxProcesses(id)], []);
  });

  it("answers the gRPC service of Kata Containers, on a socket that only root may use", async () => {
    const { pid, machines } = await served();
    assert.equal(statSync(endpoint).mode & 0o777, 0o600);
    const said = GrpcStatus.decode(await call(endpoint, "Status"));
    assert.deepEqual(said, {
      pid: BigInt(pid),
      vmstatus: [{ pid: BigInt(machines[0]?.pid ?? 0), cpu: 1, memory: 256 }],
    });
    const { Data } = GrpcVMConfig.decode(await call(endpoint, "Config"));
    assert.equal((JSON.parse(Buffer.from(Data).toString()) as { memoryMiB: number }).memoryMiB, 256);
    const lines = (await factory("status")).stdout;
    assert.match(
      lines,
      new RegExp(`vm cache server pid = ${pid}\nVM pid = ${machines[0]?.pid} Cpu = 1 Memory = 256MiB\n`),
    );
    const second = await factory("init");
    assert.notEqual(second.status, 0);
    assert.match(second.stderr, /already exist\. Please stop running VMCache server/);
    await call(endpoint, "Quit");
    await eventually("the server is gone", () => (existsSync(`/proc/${pid}/fd/0`) ? undefined : true));
    assert.ok(!existsSync(endpoint));
  });

  it("serves others when clients disconnect in the middle of a request, or send invalid ones", async () => {
    const { pid, machines } = await served();
    const own = "/run/kumite/s/cache";
    const { config: file, overrides } = { config, overrides: testQemuFlags.filter((word) => word !== "--set") };
    const take = JSON.stringify({ ask: "take", config: file, overrides });
    const half = take.slice(0, take.length / 2);
    const words = [half, `${half}\n`, "\n", "[]\n", '{"ask":"nothing"}\n', "\0".repeat(300_000)];
    for (const socket of [own, endpoint]) for (const word of words) await said(socket, word);
    const shown = await status();
    assert.deepEqual([shown?.pid, shown?.machines], [pid, machines]);
    // One client that gets a VM and disconnects in the middle of claiming it, and another that claims it wrongly.
    const { machine } = JSON.parse(await said(own, `${take}\n`)) as { machine: { socket: string } };
    await said(machine.socket, '{"adopt":{"root":"/');
    assert.match(await said(machine.socket, '{"adopt":{"root":7}}\n'), /the request is not for a VM/);
    await ready(machines[0]?.pid);
    const { id } = await started();
    await place.must(["delete", "--force", id]);
  });

  it("gives out no VM of another configuration: the container boots, with one warning", async () => {
    await served();
    writeConfig(512);
    try {
      const log = place.path("log");
      const finished = await execute([
        ...[runtimePath, "--root", place.root, "--log", log, "--config", config, ...testQemuFlags],
        ...[
          "run",
          "--bundle",
          (await place.bundle(shell("sed -n 's/MemTotal: *//p' /proc/meminfo"))).directory,
          place.newId(),
        ],
      ]);
      assert.ok(Number.parseInt(finished.stdout, 10) > 256 * 1024, finished.stderr);
      const warnings = readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line.includes("the VM cache gave no VM"));
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? "", /the cache serves another configuration/);
    } finally {
      writeConfig(256);
    }
  });

  it("starts its VMs without a template if only some sandboxes may share it", async () => {
    const store = path.join(place.directory, "scoped");
    const lines = ["enable_template = true", `template_path = "${store}"`, 'template_scope = "root"'];
    writeConfig(256, [...lines, "[runtime]", 'rootfs_writes = "guest"']);
    try {
      const { machines } = await served();
      const [name] = poolNames();
      const log = readFileSync(`/run/kumite-cache/${name}/log`, "utf8");
      assert.match(log, /the VM boots: its owner is not known yet, and template_scope is .*root/);
      const { templates } = JSON.parse((await factory("status", "--json")).stdout) as { templates: unknown[] };
      assert.deepEqual(templates, []);
      const { id } = await started(await place.bundle(shell("while :; do sleep 1; done"), layered));
      assert.deepEqual(sandboxProcesses(id).get("qemu"), [machines[0]?.pid]);
      await place.must(["delete", "--force", id]);
    } finally {
      await factory("destroy");
      writeConfig(256);
    }
  });

  it("leaves VMs that were taken alone when it is destroyed", async () => {
    const { pid, wanted, machines } = await served();
    assert.deepEqual([wanted, machines], [1, [{ pid: machines[0]?.pid, vcpus: 1, memoryMiB: 256 }]]);
    const { id } = await started();
    // A VM in use is a sandbox like others, and no longer the cache's.
    const used = machines[0]?.pid;
    assert.ok(!(await status())?.machines.some((machine) => machine.pid === used));
    const { stdout } = await factory("destroy", "--json");
    assert.deepEqual(JSON.parse(stdout), { removed: [], cache: { pid } });
    assert.equal((await factory("destroy")).stdout, "vm factory destroyed\n");
    assert.equal((await place.must(["exec", id, "echo", "alive"])).stdout, "alive\n");
    await place.must(["delete", "--force", id]);
  });

  it("ends a VM that a client takes and never uses", async () => {
    const { machines } = await served();
    const taken = GrpcVM.decode(await call(endpoint, "GetBaseVM"));
    const wire = { ...taken, hypervisor: Buffer.from(taken.hypervisor).toString() };
    const { hypervisor, vcpus, memoryMiB, vcpusToOnline } = fromWire(wire);
    assert.deepEqual([hypervisor.State.Pid, vcpus, memoryMiB, vcpusToOnline], [machines[0]?.pid, 1, 256, 0]);
    assert.equal(hypervisor.QemuSMP.CPUs, 1);
    await ready(machines[0]?.pid);
    await eventually("the machine of nobody", () => (existsSync(`/proc/${machines[0]?.pid}/fd/0`) ? undefined : true));
  });

  it("leaves nothing of a VM that was given out but not claimed when it is destroyed", async () => {
    const { machines } = await served();
    const qemu = machines[0]?.pid ?? 0;
    await call(endpoint, "GetBaseVM");
    const cgroups = readFileSync(`/proc/${qemu}/cgroup`, "utf8");
    const name = /kumite-factory\/([0-9a-f]{12})/.exec(cgroups)?.[1];
    assert.ok(name !== undefined, cgroups);
    assert.equal((await factory("destroy")).status, 0);
    assert.ok(!existsSync(`/proc/${qemu}/fd/0`));
    assert.equal(await cgroupsNamed(name), "");
  });

  it("refuses an endpoint that cannot be a socket: a file there is kept, and nothing is left", async () => {
    const file = place.path("not-a-socket");
    writeFileSync(file, "kept\n");
    for (const bad of [
      file,
      place.directory,
      `${file}/cache.sock`,
      place.path("x".repeat(110)),
      "/proc/none/cache.sock",
    ]) {
      const { status, stderr } = await execute(
        withConfig("--set", `factory.vm_cache_endpoint=${bad}`, "factory", "init"),
      );
      assert.equal(status, 1, bad);
      assert.ok(stderr.includes(bad), stderr);
      assert.ok(!existsSync("/run/kumite/s/cache"), bad);
      assert.deepEqual(readdirSync("/run/kumite-cache"), ["log"], bad);
      assert.equal(await cgroupsNamed("kumite-factory"), "", bad);
    }
    assert.equal(readFileSync(file, "utf8"), "kept\n");
  });

  it("gives up if its VMs do not start, and its log says why", async () => {
    const init = withConfig("--set", "hypervisor.qemu.kernel=/etc/passwd", "factory", "init", "--json");
    const { cache } = JSON.parse((await succeed(init)).stdout) as { cache: { pid: number } };
    await eventually("the server is gone", () => (existsSync(`/proc/${cache.pid}/fd/0`) ? undefined : true));
    const log = readFileSync("/run/kumite-cache/log", "utf8");
    assert.match(log, /the VM cache has ended, because its VMs do not start: .*qemu/);
    assert.deepEqual(readdirSync("/run/kumite-cache"), ["log"]);
    for (const left of [endpoint, "/run/kumite/s/cache"]) assert.ok(!existsSync(left), left);
  });

  it("whose server is killed leaves no VM, and the next server starts anew", async () => {
    const { pid, machines } = await served();
    // A caller whose request it does not answer any more learns that there is none.
    process.kill(pid, "SIGSTOP");
    const asking = begin(withConfig("factory", "status", "--json"));
    await untilConnected(asking.pid);
    process.kill(pid, "SIGKILL");
    const { status: code, stdout, stderr } = await asking.finished;
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { cache?: CacheDocument }).cache, undefined);
    await eventually("no machine", () => (existsSync(`/proc/${machines[0]?.pid}/fd/0`) ? undefined : true));
    await served();
  });

  it("removes what a killed shim left, at once, or by the next server if both were killed", async () => {
    const { pid, machines } = await served();
    const [name = ""] = poolNames();
    process.kill(shimOf(machines[0]?.pid ?? 0), "SIGKILL");
    const [next] = (await ready(machines[0]?.pid)).machines;
    assert.equal(poolNames().length, 1);
    assert.ok(!poolNames().includes(name));
    assert.equal(await cgroupsNamed(name), "");
    assert.ok(!existsSync(`/run/kumite/s/cache-${name}`));
    const qemu = next?.pid ?? 0;
    for (const victim of [shimOf(qemu), pid]) process.kill(victim, "SIGKILL");
    await eventually("no machine", () => (existsSync(`/proc/${qemu}/fd/0`) ? undefined : true));
    assert.ok(readdirSync("/run/kumite-cache").length > 0);
    await served();
  });

  it("clones its VMs from a template where writes may stay in them, and they are used like others", async () => {
    const store = path.join(place.directory, "templates");
    const lines = ["enable_template = true", `template_path = "${store}"`, "[runtime]", 'rootfs_writes = "guest"'];
    const directories = ["image", "upper"].map((what) => `rootfs_${what}_directory = "${place.directory}/${what}s"`);
    writeConfig(256, [...lines, ...directories]);
    try {
      let { machines } = await served();
      const { templates } = JSON.parse((await factory("status", "--json")).stdout) as { templates: { key: string }[] };
      assert.equal(templates.length, 1);
      const [name] = readdirSync("/run/kumite-cache").filter((entry) => /^[0-9a-f]{12}$/.test(entry));
      const log = readFileSync(`/run/kumite-cache/${name}/log`, "utf8");
      assert.ok(log.includes(`the VM is a clone of template ${templates[0]?.key}`), log);
      // A directory below a layer in memory, and an image below one on a disk, both unknown when the VM was made.
      for (const kind of [layered, imaged]) {
        const bundle = await place.bundle(shell("echo up; while :; do sleep 1; done"), kind);
        writeFileSync(path.join(bundle.rootfs, "etc/whose"), `${bundle.directory}\n`);
        const qemu = machines[0]?.pid;
        const { id, log: said } = await started(bundle);
        assert.deepEqual(sandboxProcesses(id).get("qemu"), [qemu], said);
        assert.equal((await place.must(["exec", id, "cat", "/etc/whose"])).stdout, `${bundle.directory}\n`);
        assert.equal((await place.must(["exec", id, "sh", "-c", "echo in > /etc/in; cat /etc/in"])).stdout, "in\n");
        assert.ok(!existsSync(path.join(bundle.rootfs, "etc/in")));
        machines = (await ready(qemu)).machines;
        await place.must(["delete", "--force", id]);
      }
      assert.deepEqual(readdirSync(`${place.directory}/uppers`).length, 1, "of the machine that waits");
    } finally {
      await factory("destroy");
      writeConfig(256);
    }
  });

  it("leaves nothing when its server gets SIGTERM", async () => {
    const { pid, machines } = await served();
    process.kill(pid, "SIGTERM");
    await eventually("the server is gone", () => (existsSync(`/proc/${pid}/fd/0`) ? undefined : true));
    assert.ok(!existsSync(`/proc/${machines[0]?.pid}/fd/0`));
    for (const left of [endpoint, "/run/kumite/s/cache", "/run/kumite-cache"]) assert.ok(!existsSync(left), left);
  });

  it("gives out a VM whose container is stopped with 137 when its shim is killed, and can be deleted", async () => {
    await served();
    const [name = ""] = poolNames();
    const { id } = await started();
    process.kill(await processOf(id, "shim"), "SIGKILL");
    await place.untilStatus(id, "stopped");
    await eventually("nothing of the VM is left in the cache", () => (poolNames().includes(name) ? undefined : true));
    await place.must(["delete", id]);
    assert.deepEqual([...sandboxProcesses(id)], []);
  });
});

/** The directories of the VMs that are ready or starting. */
const poolNames = (): string[] => readdirSync("/run/kumite-cache").filter((entry) => /^[0-9a-f]{12}$/.test(entry));

function shimOf(qemu: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${qemu}/status`, "utf8"))?.[1]);
}

/** Its root file system needs no disk. */
const layered: Patch = (spec) => {
  spec.annotations = { "io.kumite.rootfs": "layers" };
};

/** Its root file system is an image. */
const imaged: Patch = (spec) => {
  spec.annotations = { "io.kumite.rootfs": "image" };
};

/** Sends the word, closes its side and returns the answer; empty if the server closes first. */
function said(socket: string, word: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    const client = net.connect(socket, () => client.end(word));
    client.setEncoding("utf8");
    client.on("data", (text: string) => {
      heard += text;
    });
    client.on("error", () => {});
    client.on("close", () => resolve(heard));
  });
}

/** Makes one call of the service. */
function call(endpoint: string, method: string): Promise<Uint8Array> {
  const client = new grpc.Client(`unix:${endpoint}`, grpc.credentials.createInsecure());
  const bytes = (value: Uint8Array) => Buffer.from(value);
  return new Promise<Uint8Array>((resolve, reject) => {
    const request = Empty.encode({}).finish();
    client.makeUnaryRequest(`/cache.CacheService/${method}`, bytes, bytes, request, (error, value) => {
      client.close();
      if (error !== null || value === undefined) reject(error ?? new Error("no answer"));
      else resolve(value);
    });
  });
}
