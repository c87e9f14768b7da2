/** What a container finds inside: one container prints its facts, and each test checks one of them. */
import assert from "node:assert/strict";
import os from "node:os";
import { after, before, describe, it } from "node:test";
import type { OciConfig } from "../support/bundle.ts";
import { shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { expectNothingNew, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

/** Prints `key=value` lines; the lines of a longer value are joined by `;`. */
const script = `
say() { echo "$1=$(echo "$2" | tr '\\n' ';')"; }
say args "$0 $# $1"
say env "$(env | sort)"
say pwd "$(pwd)"
say id "$(id -u):$(id -g):$(id -G)"
say hostname "$(hostname)"
say pid "$$"
say status "$(grep -E '^(Cap|NoNewPrivs|Umask)' /proc/self/status | tr -s '\\t ' ' ')"
say limits "$(grep -E 'open files|core file' /proc/self/limits | tr -s ' ')"
say interfaces "$(ls /sys/class/net)"
say kernel "$(uname -r)"
say devices "$(ls /dev | sort)"
say null "$(stat -c '%F %t:%T %a' /dev/null)"
say shm "$(grep ' /dev/shm ' /proc/mounts)"
say tmpfs "$(grep ' /scratch ' /proc/mounts)"
say proc "$(grep ' /proc ' /proc/mounts)"
say masked "$(cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 100 | wc -c) $(ls /proc/scsi 2>/dev/null | wc -l)"
say readonly "$(echo 1 2>&1 >/proc/sys/kernel/domainname && echo written || echo refused)"
say rootmount "$(awk '$5 == "/"' /proc/self/mountinfo | wc -l)"
say processes "$(ls /proc | grep -c '^[0-9]*$')"
say links "$(readlink /dev/fd) $(readlink /dev/stdin) $(readlink /dev/ptmx)"
say pidslimit "$(cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null)"
say memorylimit "$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null)"
say cpulimit "$(cat /sys/fs/cgroup/cpu.max 2>/dev/null || echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us))"
say cgroup "$(cat /proc/self/cgroup)"
`;

function configure(config: OciConfig): void {
  shell(script)(config);
  config.process.args.push("zero", "one two");
  config.process.env = ["PATH=/bin", "GREETING=hello world", "EMPTY="];
  config.process.cwd = "/var/www";
  config.process.user = { uid: 33, gid: 33, additionalGids: [1000, 4] };
  config.process.rlimits = [
    { type: "RLIMIT_NOFILE", soft: 512, hard: 900 },
    { type: "RLIMIT_CORE", soft: 0, hard: 0 },
  ];
  config.process.noNewPrivileges = true;
  const few = ["CAP_KILL", "CAP_CHOWN"];
  config.process.capabilities = {
    bounding: few,
    effective: ["CAP_KILL"],
    permitted: ["CAP_KILL"],
    inheritable: ["CAP_KILL"],
    ambient: ["CAP_KILL"],
  };
  config.hostname = "tatami";
  config.linux.resources = {
    pids: { limit: 77 },
    memory: { limit: 96 * 1024 * 1024 },
    cpu: { quota: 30_000, period: 100_000 },
  };
  config.mounts.push({
    destination: "/scratch",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", "size=64k", "mode=1777"],
  });
}

describe("a container", () => {
  let place: Workplace;
  let start: Machine;
  let facts: Map<string, string>;

  before(async () => {
    place = await Workplace.open("facts");
    start = lookAtMachine({ directories: [place.root] });
    const finished = await place.run(await place.bundle(configure));
    assert.equal(finished.status, 0, show(finished));
    facts = new Map(
      finished.stdout
        .trimEnd()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1).replace(/;$/, "")]),
    );
  });

  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });

  function fact(name: string): string {
    const value = facts.get(name);
    assert.ok(value !== undefined, `the container did not say ${name}: ${[...facts.keys()].join(" ")}`);
    return value;
  }

  it("gets its arguments unchanged", () => assert.equal(fact("args"), "zero 1 one two"));

  it("gets exactly the environment of its configuration", () => {
    const names = fact("env")
      .split(";")
      .map((line) => line.split("=")[0]);
    assert.match(fact("env"), /(^|;)GREETING=hello world(;|$)/);
    assert.match(fact("env"), /(^|;)EMPTY=(;|$)/);
    // The shell adds these itself; HOME comes from the runtime, as with other runtimes.
    assert.deepEqual(
      names.filter((name) => !["HOME", "PWD", "OLDPWD", "SHLVL", "_"].includes(name ?? "")),
      ["EMPTY", "GREETING", "PATH"],
    );
  });

  it("has HOME from its own user database", () => assert.match(fact("env"), /(^|;)HOME=\/var\/www(;|$)/));

  it("starts in its working directory", () => assert.equal(fact("pwd"), "/var/www"));

  it("runs as its user with the additional groups", () => {
    const [uid, gid, groups] = fact("id").split(":");
    assert.equal(`${uid}:${gid}`, "33:33");
    assert.deepEqual((groups ?? "").split(" ").sort(), ["1000", "33", "4"]);
  });

  it("has its host name", () => assert.equal(fact("hostname"), "tatami"));

  it("is process 1 of its own pid namespace", () => assert.equal(fact("pid"), "1"));

  it("has the five capability sets of its configuration", () => {
    const set = (name: string) =>
      Number.parseInt(new RegExp(`${name}: ([0-9a-f]+)`).exec(fact("status"))?.[1] ?? "none", 16);
    const kill = 1 << 5;
    const chown = 1 << 0;
    assert.deepEqual(
      [set("CapBnd"), set("CapEff"), set("CapPrm"), set("CapInh"), set("CapAmb")],
      [kill | chown, kill, kill, kill, kill],
    );
  });

  it("cannot gain privileges when its configuration says so", () => assert.match(fact("status"), /NoNewPrivs: 1/));

  it("has its resource limits", () => {
    assert.match(fact("limits"), /Max open files 512 900 files/);
    assert.match(fact("limits"), /Max core file size 0 0 bytes/);
  });

  it("sees no network interface but the loopback", () => assert.equal(fact("interfaces"), "lo"));

  it("runs on a kernel of its own", onlyKumite, () => assert.notEqual(fact("kernel"), os.release()));

  it("has the default devices and links, and no device of the VM", () => {
    const devices = fact("devices").split(";");
    const wanted = [
      "fd",
      "full",
      "mqueue",
      "null",
      "ptmx",
      "pts",
      "random",
      "shm",
      "stderr",
      "stdin",
      "stdout",
      "tty",
      "urandom",
      "zero",
    ];
    const allowed = [...wanted, "core", "console"];
    assert.deepEqual(
      wanted.filter((name) => !devices.includes(name)),
      [],
    );
    assert.deepEqual(
      devices.filter((name) => !allowed.includes(name)),
      [],
    );
    assert.match(fact("null"), /^character special file 1:3 666$/);
    assert.equal(fact("links"), "/proc/self/fd /proc/self/fd/0 pts/ptmx");
  });

  it("has a /dev/shm of the requested size", () => assert.match(fact("shm"), /tmpfs .*size=65536k/));

  it("has a tmpfs with the requested options", () => {
    assert.match(fact("tmpfs"), /nosuid/);
    assert.match(fact("tmpfs"), /nodev/);
    assert.match(fact("tmpfs"), /size=64k/);
  });

  it("cannot read masked paths", () => assert.equal(fact("masked"), "0 0"));

  it("cannot write read-only paths", () => assert.match(fact("readonly"), /refused/));

  it("sees only its own processes", () => assert.ok(Number(fact("processes")) < 10, fact("processes")));

  it("sees one mount as its root", () => assert.equal(fact("rootmount"), "1"));

  it("sees its limit of processes", () => assert.equal(fact("pidslimit"), "77"));

  it("sees its limit of memory", () => assert.equal(fact("memorylimit"), String(96 * 1024 * 1024)));

  it("sees its limit of CPU time", () => assert.equal(fact("cpulimit"), "30000 100000"));

  it("sees its cgroup as the root", onlyKumite, () => assert.equal(fact("cgroup"), "0::/"));
});
