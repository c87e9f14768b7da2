import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import {
  createContainer,
  execIn,
  freshId,
  freshPorts,
  removeContainer,
  run,
  startContainer,
} from "../testing/container.testing.ts";
import { processOf, specOf } from "../testing/spec.testing.ts";

const namespaces = "readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts";

/** Starts a container in the sandbox's pid namespace. */
async function startSharing(agent: TestAgent, script: string): Promise<string> {
  const id = freshId();
  const spec = specOf(["sh", "-c", script]);
  await agent.client.createContainer({
    containerId: id,
    execId: id,
    ...agent.client.specFields(spec),
    ...freshPorts(),
    sandboxPidns: true,
  });
  await agent.client.startContainer({ containerId: id });
  return id;
}

describe("the containers of a sandbox", () => {
  it("share its IPC and UTS namespaces, which the next sandbox does not have", async () => {
    await using agent = await startAgent();
    const first = await run(agent, `${namespaces}; echo 5 > /proc/sys/kernel/msgmni; hostname`, {
      linux: { readonlyPaths: [] },
    });
    const second = await run(agent, `${namespaces}; hostname; cat /proc/sys/kernel/msgmni`);
    assert.ok(/^ipc:\[\d+\]\nuts:\[\d+\]\nbox\n$/.test(first.out), first.out);
    assert.equal(second.out, `${first.out}5\n`);
    await agent.client.destroySandbox({});
    const storages = [{ driver: "bind", source: agent.shared, mountPoint: "/run/kata-containers/shared/containers" }];
    await agent.client.createSandbox({ hostname: "next", sandboxId: "next", storages });
    const next = await run(agent, `${namespaces}; hostname`, { hostname: "" });
    assert.ok(/\nnext\n$/.test(next.out), next.out);
    const [[ipc, uts], [nextIpc, nextUts]] = [first.out.split("\n"), next.out.split("\n")];
    assert.ok(ipc !== nextIpc && uts !== nextUts);
  });

  it("share the pid namespace of the first one on request", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const first = await startContainer(agent, specOf(["sh", "-c", "exec sleep 1000"]), "first");
    const sharing = await startSharing(agent, "exec sleep 2000");
    const seen = await execIn(agent, sharing, processOf(["ps", "-o", "args"]));
    const { out } = await seen.finish();
    assert.ok(/sleep 1000/.test(out), out);
    assert.ok(/sleep 2000/.test(out), out);
    const own = await run(agent, "ps -o args");
    assert.ok(!/sleep/.test(own.out), own.out);
    // Removing the container leaves the processes of the other one.
    await removeContainer(agent, sharing);
    const still = await execIn(agent, "first", processOf(["ps", "-o", "args"]));
    const { out: left } = await still.finish();
    assert.ok(/sleep 1000/.test(left), left);
    await agent.client.signalProcess({ containerId: "first", execId: "first", signal: 9 });
    assert.equal(await first.status(), 137);
    await removeContainer(agent, "first");
    assert.deepEqual(await agent.state(), before);
  });

  it("share that of a pause process, which reaps their orphans, if the sandbox is created so", async () => {
    await using agent = await startAgent();
    await agent.client.destroySandbox({});
    const storages = [{ driver: "bind", source: agent.shared, mountPoint: "/run/kata-containers/shared/containers" }];
    await agent.client.createSandbox({ sandboxId: "pod", sandboxPidns: true, storages });
    const orphan = "(sh -c 'sleep 0 & exit' &); sleep 0.2; ps -o stat,args";
    const { out } = await run(agent, orphan);
    assert.ok(!/^Z/m.test(out), out);
    const process = await createContainer(agent, specOf(["sh", "-c", "echo $$"]), "web");
    await agent.client.startContainer({ containerId: "web" });
    assert.ok((await process.finish()).out !== "1\n");
    await agent.client.destroySandbox({});
  });
});

const mapped = {
  namespaces: ["pid", "ipc", "uts", "mount", "cgroup", "user"].map((type) => ({ type: type as "pid" })),
  uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
  gidMappings: [{ containerID: 0, hostID: 200_000, size: 65_536 }],
};

describe("a container in a user namespace", () => {
  it("is root inside and another user outside, and owns everything that was made for it", async () => {
    await using agent = await startAgent();
    const script = `id -u; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '
      stat -c '%u %g' /dev /dev/null /dev/shm /made
      touch /dev/shm/own && stat -c '%u:%g' /dev/shm/own`;
    const { out, err, status } = await run(agent, script, {
      linux: mapped,
      process: { cwd: "/made" },
      mounts: [{ destination: "/scratch", type: "tmpfs", source: "tmpfs", options: ["uid=1000", "gid=5"] }],
    });
    assert.equal(err, "");
    assert.equal(status, 0);
    assert.equal(out, `0\n 0 100000 65536\n 0 200000 65536\n${"0 0\n".repeat(4)}0:0\n`);
  });

  it("has the given capabilities there, and none over the VM", async () => {
    await using agent = await startAgent();
    const all = ["CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_MKNOD", "CAP_SYS_RESOURCE"];
    const script = `mount -t tmpfs none /tmp && echo mounted
      mknod /dev/shm/node c 1 3 2>/dev/null || echo no node
      umount /proc 2>/dev/null || echo locked
      ulimit -Hn`;
    const { out } = await run(agent, script, {
      linux: { ...mapped, maskedPaths: [], readonlyPaths: [] },
      process: {
        noNewPrivileges: false,
        capabilities: { bounding: all, effective: all, permitted: all },
        rlimits: [{ type: "RLIMIT_NOFILE", hard: 700, soft: 700 }],
      },
    });
    assert.equal(out, "mounted\nno node\nlocked\n700\n");
  });

  it("can have exec processes, as its mapped users", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"], { linux: mapped }), "web");
    const changes = { user: { uid: 1000, gid: 1000, additionalGids: [7] }, terminal: false };
    const process = await execIn(agent, "web", processOf(["sh", "-c", "id; readlink /proc/self/ns/user"], changes));
    const { out } = await process.finish();
    assert.ok(/^uid=1000.* gid=1000.* groups=.*7/m.test(out), out);
    const own = await execIn(agent, "web", processOf(["readlink", "/proc/1/ns/user"]));
    assert.equal((await own.finish()).out.trim(), out.trim().split("\n")[1]);
    await assert.rejects(execIn(agent, "web", processOf(["true"], { user: { uid: 70_000, gid: 0 } })), {
      code: "oci/spec-invalid",
      message: /process\.user\.uid is not mapped/,
    });
    await removeContainer(agent, "web");
  });

  it("has a terminal of its own user", async () => {
    await using agent = await startAgent();
    const script = "stat -c '%u' $(tty) /dev/console; stty size";
    const spec = specOf(["sh", "-c", script], {
      linux: mapped,
      process: { terminal: true, user: { uid: 1000, gid: 1000 }, consoleSize: { height: 20, width: 90 } },
    });
    const process = await startContainer(agent, spec);
    assert.equal((await process.finish()).out.replaceAll("\r", ""), "1000\n1000\n20 90\n");
  });

  it("is refused with invalid mappings, which are named", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const refused = async (linux: object, message: RegExp): Promise<void> => {
      await assert.rejects(createContainer(agent, specOf(["true"], { linux })), { code: "oci/spec-invalid", message });
    };
    await refused({ ...mapped, uidMappings: [] }, /linux\.uidMappings must map id 0/);
    await refused({ uidMappings: mapped.uidMappings }, /linux\.uidMappings needs a new user namespace/);
    const overlapping = [...mapped.uidMappings, { containerID: 10, hostID: 5, size: 10 }];
    await refused({ ...mapped, uidMappings: overlapping }, /linux\.uidMappings, linux\.gidMappings/);
    await assert.rejects(
      createContainer(agent, specOf(["true"], { linux: mapped, process: { user: { uid: 0, gid: 70_000 } } })),
      { code: "oci/spec-invalid", message: /process\.user\.gid is not mapped/ },
    );
    assert.deepEqual(await agent.state(), before);
  });
});
