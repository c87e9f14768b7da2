import type { SpecFields } from "../../agent-client/fields.ts";
import type { OciProcess, OciSpec } from "../../oci/spec.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { isKumiteError, messageOf } from "../../util/errors.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { freshId, freshPorts, removeContainer, TestProcess } from "../testing/container.testing.ts";
import { guestShared, processOf, specOf } from "../testing/spec.testing.ts";

/** A specification that cannot be read: if the request succeeds, the agent has not read it. */
const unread = { kumiteOciJson: "never read", OCI: new Uint8Array(0) };
const withoutSteps = { kumiteOutline: "", kumiteSteps: new Uint8Array(0), kumiteDeviceProgram: new Uint8Array(0) };

async function start(agent: TestAgent, fields: SpecFields, id = freshId()): Promise<TestProcess> {
  const ports = freshPorts();
  await agent.client.createContainer({ containerId: id, execId: id, ...fields, ...ports });
  const streams = await Promise.all(Object.values(ports).map((port) => agent.client.dial(port)));
  await agent.client.startContainer({ containerId: id });
  return new TestProcess(agent, id, id, streams);
}

async function outcome(agent: TestAgent, fields: SpecFields): Promise<string> {
  const id = freshId();
  try {
    const { out, err, status } = await (await start(agent, fields, id)).finish();
    return `${out}${err}status ${status}`;
  } catch (error) {
    return isKumiteError(error) ? `${error.code}: ${error.message}` : messageOf(error);
  } finally {
    await removeContainer(agent, id).catch(() => {});
  }
}

/**
 * What a process can learn about itself and its surroundings. Mount ids are left out, since they differ between
 * containers.
 */
const facts = `
  cut -d' ' -f4- /proc/self/mountinfo | sed 's/\\(shared\\|master\\|propagate_from\\):[0-9]*/\\1/g; s/kumite-contract-[0-9a-f]*//'
  grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask|SigBlk|SigIgn|SigCgt)' /proc/self/status
  cat /proc/self/limits /proc/self/oom_score_adj /proc/self/personality /proc/self/cgroup
  env | sort; pwd; id; hostname; cat /proc/sys/kernel/domainname
  stat -c '%n %A %u:%g %t:%T' / /dev /dev/* /dev/x/* /volume /tmp /ro /made /made/* /etc/deep /etc/deep/* 2>&1
  for link in /dev/*; do readlink $link; done
  ls /proc/self/fd | wc -l; cat /proc/keys 2>&1 | wc -l; cat /proc/sys/kernel/shmmni
  mkdir -p /tmp/x; chmod 700 /tmp/x; touch /ro /ro/x; echo x >/proc/sys/kernel/hostname; cat /proc/kcore`;

const shell: readonly string[] = ["sh", "-c", facts];

const rich: OciSpec = specOf(shell, {
  domainname: "example",
  process: {
    user: { uid: 1000, gid: 1001, additionalGids: [7, 8], umask: 0o27 },
    env: ["PATH=/nowhere:/bin", "A=ü", "HOME="],
    cwd: "/made/below",
    capabilities: {
      bounding: ["CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW"],
      permitted: ["CAP_KILL", "CAP_CHOWN"],
      inheritable: ["CAP_KILL"],
      effective: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    },
    rlimits: [
      { type: "RLIMIT_NOFILE", hard: 500, soft: 400 },
      { type: "RLIMIT_CORE", hard: 2 ** 64, soft: 0 },
    ],
    noNewPrivileges: false,
    oomScoreAdj: 321,
  },
  mounts: [
    {
      destination: "/volume",
      type: "bind",
      source: `${guestShared}/volume`,
      options: ["rbind", "ro", "nosuid", "rshared"],
    },
    { destination: "/etc/deep/file", type: "bind", source: `${guestShared}/volume/file`, options: ["bind", "rro"] },
    { destination: "/ro", type: "tmpfs", source: "t", options: ["ro", "size=4k", "noexec", "rprivate"] },
    { destination: "/tmp", type: "tmpfs", source: "t", options: ["nodev"] },
  ],
  linux: {
    namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, { type: "cgroup" }],
    sysctl: { "kernel.shmmni": "77" },
    personality: { domain: "LINUX" },
    devices: [{ path: "/dev/x/own", type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 3, gid: 4 }],
    maskedPaths: ["/proc/kcore", "/proc/acpi", "/sys/firmware", "/volume/none"],
    readonlyPaths: ["/proc/sys", "/proc/bus", "/none"],
    rootfsPropagation: "private",
    seccomp: {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO" }],
    },
  },
});
const plain: OciSpec = specOf(shell, { root: { path: `${guestShared}/box/rootfs`, readonly: true } });

async function startWithVolume(): Promise<TestAgent> {
  const agent = await startAgent();
  await os.files.makeDirs(`${agent.shared}/volume`, 0o750);
  await os.files.write(`${agent.shared}/volume/file`, "file\n");
  // With some destinations missing, both ways must create them.
  await os.files.makeDirs(`${agent.shared}/box/rootfs/made`, 0o755);
  return agent;
}

describe("a container that is set up by steps", () => {
  it("equals what the agent's own code makes of its specification, which is not read", async () => {
    // Each runs once in a root file system where destinations must be created, and once where they exist.

    await using one = await startWithVolume();
    await using other = await startWithVolume();
    for (const spec of [rich, rich, plain]) {
      const fields = one.client.specFields(spec);
      const bySteps = await outcome(one, { ...fields, ...unread });
      const byCode = await outcome(other, { ...fields, ...withoutSteps });
      assert.ok(/status \d+$/.test(byCode), byCode);
      assert.equal(bySteps, byCode);
    }
  });

  it("has exec processes that equal what the agent's own code makes of theirs", async () => {
    await using agent = await startWithVolume();
    const { containerId } = await start(
      agent,
      agent.client.specFields({ ...rich, process: processOf(["cat"], { cwd: "/made/below" }) }),
    );
    const process = (rich.process as OciProcess) && { ...rich.process, args: shell as [string] };
    const run = async (changes: object): Promise<string> => {
      const [ports, execId] = [freshPorts(), freshId()];
      const fields = { ...agent.client.processFields(process as OciProcess), ...changes };
      await agent.client.execProcess({ containerId, execId, ...fields, ...ports });
      const streams = await Promise.all(Object.values(ports).map((port) => agent.client.dial(port)));
      const { out, err, status } = await new TestProcess(agent, containerId, execId, streams).finish();
      return `${out}${err}status ${status}`;
    };
    const bySteps = await run({ kumiteOciJson: "never read", process: new Uint8Array(0) });
    assert.equal(bySteps, await run({ kumiteOutline: "", kumiteSteps: new Uint8Array(0) }));
    assert.ok(/HOME=\/home\/joe/.test(bySteps), bySteps);
  });

  it("fails with the same messages as the agent's own code", async () => {
    await using agent = await startWithVolume();
    await os.files.write(`${agent.shared}/box/rootfs/bin/text`, "no program", { mode: 0o755 });
    for (const args of [["no-such"], ["/bin/no-such"], ["/bin"], ["/bin/text"]] as const) {
      const fields = agent.client.specFields(specOf(args));
      const byCode = await outcome(agent, { ...fields, ...withoutSteps });
      assert.ok(byCode.startsWith("process/executable-not-found: exec"), byCode);
      assert.equal(await outcome(agent, fields), byCode);
    }
  });

  it("is set up by that code when steps cannot be done, and nothing of the attempt is left", async () => {
    await using agent = await startWithVolume();
    const before = await agent.state();
    const root = `${agent.shared}/box/rootfs`;
    // A symlink at the destination of a mount, and a /dev in the image.
    await os.files.symlink("volume-here", `${root}/link`);
    await os.files.makeDirs(`${root}/volume-here`, 0o755);
    await os.files.makeDirs(`${root}/dev`, 0o755);
    await os.files.write(`${root}/dev/ptmx`, "");
    const spec = specOf(["cat", "/volume-here/file"]);
    const mounts = [
      { destination: "/proc", type: "proc" },
      { destination: "/link", type: "bind", source: `${guestShared}/volume`, options: ["bind"] },
    ];
    const linux = { ...spec.linux, resources: { pids: { limit: 1 } } };
    assert.equal(await outcome(agent, agent.client.specFields({ ...spec, mounts, linux })), "file\nstatus 0");
    const after = await agent.state();
    for (const key of ["mounts", "cgroups", "processes", "descriptors"] as const) {
      assert.deepEqual(after[key], before[key]);
    }
  });

  it("needs complete steps: truncated ones are not used", async () => {
    await using agent = await startWithVolume();
    const fields = agent.client.specFields(specOf(["echo", "made"]));
    const steps = fields.kumiteSteps ?? new Uint8Array(0);
    assert.ok(steps.length > 1000);
    const awaitsStart = steps.length - 200;
    for (let length = 0; length < awaitsStart; length += 331) {
      const cut = { ...fields, kumiteSteps: steps.slice(0, length) };
      assert.equal(await outcome(agent, cut), "made\nstatus 0");
    }
    for (const kumiteOutline of ["[0,{}]", "[]", "[1]"]) {
      assert.equal(await outcome(agent, { ...fields, kumiteOutline }), "made\nstatus 0");
    }
  });
});
