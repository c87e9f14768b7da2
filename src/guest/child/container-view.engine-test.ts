import type { OciSpec } from "../../oci/spec.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { execIn, run, startContainer } from "../testing/container.testing.ts";
import { guestShared, processOf, type SpecChanges, specOf } from "../testing/spec.testing.ts";

/** What the script prints in a new container, without the last newline. */
async function seen(agent: TestAgent, script: string, changes: SpecChanges = {}): Promise<string> {
  const { out, err } = await run(agent, script, changes);
  return `${out}${err}`.trimEnd();
}

const mount = (destination: string, ...options: string[]): NonNullable<OciSpec["mounts"]>[number] => ({
  destination,
  type: "bind",
  source: `${guestShared}/volume`,
  options,
});

describe("what a container sees", () => {
  it("includes only its own processes, names, cgroup and interfaces", async () => {
    await using agent = await startAgent();
    assert.equal(await seen(agent, "echo $$; echo /proc/[0-9]*"), "1\n/proc/1");
    assert.equal(
      await seen(agent, "hostname; cat /proc/sys/kernel/domainname", { domainname: "example" }),
      "box\nexample",
    );
    assert.equal(await seen(agent, "grep '^0:' /proc/self/cgroup"), "0::/");
    await using other = await startAgent();
    const network = { linux: { namespaces: [{ type: "mount" as const }, { type: "network" as const }] } };
    assert.equal(
      await seen(other, "hostname; ip -o link | cut -d: -f2; ip -o addr | grep -c 127.0.0.1", {
        hostname: "",
        ...network,
      }),
      "sandbox\n lo\n1",
    );
  });

  it("includes its root file system and nothing of the guest's", async () => {
    await using agent = await startAgent();
    assert.equal(await seen(agent, "ls -x / | tr -s ' '"), "bin dev etc proc root sys tmp");
    assert.equal(await seen(agent, "awk '{print $2}' /proc/self/mounts | grep -v -E '^/(proc|dev|sys)'"), "/");
  });

  it("includes the devices and links that every container has, and those it asks for", async () => {
    await using agent = await startAgent();
    const devices = "full null random tty urandom zero";
    assert.equal(await seen(agent, "cd /dev; echo $(for n in *; do [ -c $n -a ! -L $n ] && echo $n; done)"), devices);
    assert.equal(await seen(agent, "stat -c '%a %u %g %t:%T' /dev/null /dev/tty"), "666 0 0 1:3\n666 0 0 5:0");
    assert.equal(
      await seen(agent, "cd /dev; for n in fd stdin stdout stderr ptmx; do readlink $n; done"),
      "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx",
    );
    const image = `${agent.shared}/box/rootfs/dev`;
    await os.files.makeDirs(image, 0o755);
    await os.files.write(`${image}/ptmx`, "");
    const bare = { ...specOf(["readlink", "/dev/ptmx"]), mounts: [{ destination: "/proc", type: "proc" }] };
    assert.equal((await (await startContainer(agent, bare)).finish()).out, "pts/ptmx\n");
    const fuse = { path: "/dev/deep/fuse", type: "c" as const, major: 10, minor: 229, fileMode: 0o640, uid: 5, gid: 6 };
    assert.equal(
      await seen(agent, "stat -c '%a %u %g %t:%T' /dev/deep/fuse", { linux: { devices: [fuse] } }),
      "640 5 6 a:e5",
    );
    const others = [
      { path: "/dev/disk", type: "b" as const, major: 8, minor: 1 },
      { path: "/elsewhere/queue", type: "p" as const, fileMode: 0o600 },
      { path: "/dev/tty", type: "u" as const, major: 5, minor: 0, fileMode: 0o20620, gid: 5 },
    ];
    assert.equal(
      await seen(agent, "stat -c '%F %a %u %g %t:%T' /dev/disk /elsewhere/queue /dev/tty", {
        linux: { devices: others },
      }),
      "block special file 666 0 0 8:1\nfifo 600 0 0 0:0\ncharacter special file 620 0 5 5:0",
    );
    assert.equal(
      await seen(agent, "echo x > /dev/null && echo y > /dev/full"),
      "sh: write error: No space left on device",
    );
  });

  it("cannot be changed where it is read-only, nor read where it is masked", async () => {
    await using agent = await startAgent();
    assert.equal(
      await seen(agent, "echo 1 > /proc/sys/kernel/panic"),
      "sh: can't create /proc/sys/kernel/panic: Read-only file system",
    );
    assert.equal(
      await seen(agent, "cat /proc/keys; ls /sys/firmware; touch /sys/firmware/x"),
      "touch: /sys/firmware/x: Read-only file system",
    );
    const readonly = { root: { path: `${guestShared}/box/rootfs`, readonly: true } };
    assert.equal(
      await seen(agent, "touch /x /tmp/x; touch /dev/shm/x && ls /dev/shm", readonly),
      "x\ntouch: /x: Read-only file system\ntouch: /tmp/x: Read-only file system",
    );
  });

  it("can be a read-only root, with mount points made before it became read-only", async () => {
    await using agent = await startAgent();
    const changes = {
      root: { path: `${guestShared}/box/rootfs`, readonly: true },
      mounts: [{ destination: "/new/place", type: "tmpfs", source: "tmpfs" }],
    };
    assert.equal(await seen(agent, "touch /new/place/x && ls /new/place", changes), "x");
  });

  it("includes bind mounts of directories and files, with their options", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    await os.files.write(`${agent.shared}/volume/file`, "content", { mode: 0o644 });
    const file = { ...mount("/etc/made/file", "bind"), source: `${guestShared}/volume/file` };
    const script =
      "cat /data/file /etc/made/file; touch /data/x /ro/x; grep -E ' (/data|/ro|/etc/made/file) ' /proc/self/mountinfo | cut -d' ' -f5,6";
    const mounts = [mount("/data", "rbind", "rw", "nosuid", "noexec"), mount("/ro", "bind", "ro", "nodev"), file];
    assert.equal(
      await seen(agent, script, { mounts }),
      "contentcontent/data rw,nosuid,noexec,relatime\n/ro ro,nodev,relatime\n/etc/made/file rw,relatime\ntouch: /ro/x: Read-only file system",
    );
    assert.deepEqual((await os.files.list(`${agent.shared}/volume`)).sort(), ["file", "x"]);
  });

  it("includes mounts that stay inside, whatever links the image has in their way", async () => {
    await using agent = await startAgent();
    const rootfs = `${agent.shared}/box/rootfs`;
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    await os.files.symlink("/", `${rootfs}/up`);
    await os.files.symlink("../../../../../../run", `${rootfs}/far`);
    await os.files.symlink("/made/by/link", `${rootfs}/dangling`);
    const before = await agent.state();
    const mounts = [mount("/up/run/one", "bind"), mount("/far/two", "bind"), mount("/dangling/three", "bind")];
    const places = await seen(agent, "grep volume /proc/self/mountinfo | cut -d' ' -f5", { mounts });
    assert.equal(places, "/run/one\n/run/two\n/made/by/link/three");
    assert.deepEqual(await agent.state(), before);
  });

  it("includes its user, with groups, umask, home and working directory", async () => {
    await using agent = await startAgent();
    const user = { uid: 1000, gid: 1001, additionalGids: [5, 7], umask: 0o027 };
    const script =
      "id -u; id -g; id -G; umask; echo $HOME; pwd; touch /tmp/mine; stat -c '%a %u' /tmp/mine; echo to-out > /dev/stdout";
    assert.equal(
      await seen(agent, script, { process: { user, cwd: "/tmp" } }),
      "1000\n1001\n1001 5 7\n0027\n/home/joe\n/tmp\n640 1000\nto-out",
    );
    assert.equal(await seen(agent, "echo $HOME", { process: { user: { uid: 77, gid: 77 } } }), "/");
    assert.equal(await seen(agent, "echo $HOME", { process: { env: ["PATH=/bin", "HOME=/given"] } }), "/given");
    assert.equal(
      await seen(agent, "pwd; stat -c %a .", { process: { cwd: "/made/on/demand" } }),
      "/made/on/demand\n755",
    );
  });

  it("can be a working directory that its user could not enter", async () => {
    await using agent = await startAgent();
    await os.files.changeMode(`${agent.shared}/box/rootfs/root`, 0o700);
    const process = { cwd: "/root", user: { uid: 1000, gid: 1000 } };
    assert.equal(await seen(agent, "echo in; ls", { process }), "in\nls: .: Permission denied");
  });

  it("includes its CPU and I/O priorities, and its personality", async () => {
    await using agent = await startAgent();
    const process = {
      scheduler: { policy: "SCHED_BATCH", nice: 5 },
      ioPriority: { class: "IOPRIO_CLASS_IDLE", priority: 4 },
    };
    // Fields of proc(5): nice, and policy, where 3 is SCHED_BATCH.
    const script = "ionice -p $$; cut -d' ' -f19,41 /proc/self/stat; uname -m";
    const linux = { personality: { domain: "LINUX32" } };
    const machine = (await seen(agent, "uname -m")) === "x86_64" ? "i686" : "armv8l";
    assert.equal(await seen(agent, script, { process, linux }), `idle\n5 3\n${machine}`);
  });

  it("includes exactly the given capabilities, and no new ones after exec", async () => {
    await using agent = await startAgent();
    const sets = "grep -E 'Cap|NoNew' /proc/self/status | cut -f2";
    const kill = ["CAP_KILL"];
    const all = {
      bounding: [...kill, "CAP_CHOWN"],
      effective: kill,
      permitted: kill,
      inheritable: kill,
      ambient: kill,
    };
    const root = { capabilities: { bounding: kill, effective: kill, permitted: kill }, noNewPrivileges: false };
    assert.equal(
      await seen(agent, sets, { process: root }),
      "0000000000000000\n0000000000000020\n0000000000000020\n0000000000000020\n0000000000000000\n0",
    );
    const joe = { capabilities: all, noNewPrivileges: true, user: { uid: 1000, gid: 1000 } };
    assert.equal(
      await seen(agent, sets, { process: joe }),
      "0000000000000020\n0000000000000020\n0000000000000020\n0000000000000021\n0000000000000020\n1",
    );
    assert.equal(
      await seen(agent, "grep CapBnd /proc/self/status | cut -f2", { process: { capabilities: {} } }),
      "0000000000000000",
    );
  });

  it("includes its own cgroup, which it can subdivide if it is writable, but not enlarge", async () => {
    await using agent = await startAgent();
    const cgroup = (...options: string[]) => ({ destination: "/cg", type: "cgroup", source: "cgroup", options });
    const script =
      "cd /cg; mkdir below && echo 0 > below/cgroup.procs && grep ^0: /proc/self/cgroup; { echo 5 > cgroup.max.depth; } 2>/dev/null || cat cgroup.max.depth; " +
      "stat -c %u . cgroup.procs cgroup.subtree_control cgroup.max.depth";
    const changes = { process: { user: { uid: 1000, gid: 1000 } } };
    assert.equal(
      await seen(agent, script, { ...changes, mounts: [cgroup("rw")] }),
      "0::/below\nmax\n1000\n1000\n1000\n0",
    );
    assert.equal(await seen(agent, "stat -c %u /cg", { ...changes, mounts: [cgroup("ro")] }), "0");
  });

  it("includes its resource limits and OOM score", async () => {
    await using agent = await startAgent();
    const rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }];
    assert.equal(await seen(agent, "ulimit -n; ulimit -Hn", { process: { rlimits } }), "100\n200");
    assert.equal(await seen(agent, "cat /proc/self/oom_score_adj", { process: { oomScoreAdj: 500 } }), "500");
  });

  it("includes 1024 descriptors by default, however many the agent has", async () => {
    await using agent = await startAgent();
    assert.equal(await seen(agent, "ulimit -Sn", { process: { rlimits: [] } }), "1024");
  });

  it("includes mounts with the propagation that it asks for", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    const script = 'awk \'$5 == "/" || $5 == "/data" {print $5, $7}\' /proc/self/mountinfo | cut -d: -f1';
    const mounts = [mount("/data", "rbind", "rshared")];
    assert.equal(await seen(agent, script, { mounts }), "/ master\n/data shared");
    for (const word of ["private", "rprivate", "slave", "rslave", "unbindable", "runbindable", "shared", "rshared"]) {
      const kept = word.replace(/^r/, "").replace("slave", "master").replace("private", "-");
      assert.equal(await seen(agent, script, { linux: { rootfsPropagation: word } }), `/ ${kept}`, word);
    }
    const shared = { mounts: [mount("/data", "rbind", "rprivate")], linux: { rootfsPropagation: "rshared" } };
    assert.equal(await seen(agent, script, shared), "/ shared\n/data -");
    await assert.rejects(seen(agent, script, { linux: { rootfsPropagation: "loud" } }), { code: "oci/spec-invalid" });
  });

  it("includes the kernel parameters that it set for its sandbox, in their namespaces", async () => {
    await using agent = await startAgent();
    const linux = {
      namespaces: [{ type: "mount" as const }, { type: "ipc" as const }, { type: "uts" as const }],
      sysctl: { "kernel.msgmax": "4096", "fs/mqueue/msg_max": "77", "kernel.domainname": "example" },
    };
    const all = "cd /proc/sys; cat kernel/msgmax fs/mqueue/msg_max kernel/domainname";
    assert.equal(await seen(agent, all, { linux }), "4096\n77\nexample");
    assert.equal(await seen(agent, "cat /proc/sys/kernel/msgmax"), "4096");
    await using other = await startAgent();
    assert.ok((await seen(other, "cat /proc/sys/kernel/msgmax")) !== "4096");
  });

  it("includes its own clocks, the same in each of its processes", async () => {
    await using agent = await startAgent();
    const namespaces = [{ type: "mount" as const }, { type: "pid" as const }, { type: "time" as const }];
    await startContainer(agent, specOf(["sleep", "1000"], { hostname: "", linux: { namespaces } }), "later");
    const exec = await execIn(
      agent,
      "later",
      processOf(["sh", "-c", "readlink /proc/1/ns/time; readlink /proc/self/ns/time"]),
    );
    const [first, self] = (await exec.finish()).out.split("\n");
    assert.equal(first, self);
    assert.ok((await seen(agent, "readlink /proc/self/ns/time")) !== first);
    const offset = (...types: ("mount" | "time")[]) => ({
      hostname: "",
      linux: { namespaces: types.map((type) => ({ type })), timeOffsets: { boottime: { secs: 5 } } },
    });
    await assert.rejects(seen(agent, "true", offset("mount")), { code: "oci/spec-invalid" });
    // Under the process driver the kernel is the host's, and the agent has no power over its time.
    await assert.rejects(seen(agent, "true", offset("mount", "time")), { code: "oci/unsupported" });
  });

  it("includes the namespaces of another container that it was told to join", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"], { hostname: "first" }));
    // Without its own pid namespace, a container sees all processes of the sandbox.
    const shared = { hostname: "", linux: { namespaces: [{ type: "mount" as const }] } };
    const pid = await seen(agent, "pidof sleep", shared);
    const join = (["pid", "ipc", "uts"] as const).map((type) => ({ type, path: `/proc/${pid}/ns/${type}` }));
    const joined = { hostname: "", linux: { namespaces: [{ type: "mount" as const }, ...join] } };
    assert.equal(
      await seen(
        agent,
        "hostname; pidof sleep; readlink /proc/1/ns/ipc > /tmp/a; readlink /proc/self/ns/ipc | cmp /tmp/a",
        joined,
      ),
      "first\n1",
    );
    const wrong = { hostname: "", linux: { namespaces: [{ type: "uts" as const, path: `/proc/${pid}/ns/ipc` }] } };
    await assert.rejects(seen(agent, "true", wrong), { code: "oci/spec-invalid" });
  });
});
