import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { os, startAgent } from "../testing/agent.testing.ts";
import { run } from "../testing/container.testing.ts";
import { guestShared, specOf } from "../testing/spec.testing.ts";

const point = "/run/kata-containers/sandbox/shm";
const shm = { driver: "ephemeral", source: "shm", fstype: "tmpfs", mountPoint: point, options: ["noexec", "size=1m"] };
const mount = { destination: "/data", type: "bind", source: point, options: ["rbind"] };

describe("a storage", () => {
  it("is mounted once for all who ask for it, and unmounted with the last of them", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const { client } = agent;
    for (const id of ["one", "two"]) {
      const fields = client.specFields(specOf(["cat"], { mounts: [mount] }));
      await client.createContainer({ containerId: id, ...fields, storages: [shm] });
    }
    const mounts = async (): Promise<number> => (await agent.state()).mounts.filter((path) => path === point).length;
    assert.equal(await mounts(), 1);
    await client.removeContainer({ containerId: "one" });
    assert.equal(await mounts(), 1);
    await client.removeContainer({ containerId: "two" });
    assert.equal(await mounts(), 0);
    const { directories, ...after } = await agent.state();
    assert.deepEqual(after, { ...after, mounts: before.mounts, cgroups: before.cgroups, processes: before.processes });
    assert.ok(!directories.includes("./kata-containers/sandbox/shm"));
  });

  it("of memory has its size and options", async () => {
    await using agent = await startAgent();
    const { client } = agent;
    const script =
      "grep ' /data ' /proc/mounts | cut -d' ' -f3,4; dd if=/dev/zero of=/data/x bs=64k count=32 2>/dev/null; wc -c < /data/x";
    const fields = client.specFields(specOf(["sh", "-c", script], { mounts: [mount] }));
    await client.createContainer({ containerId: "web", ...fields, storages: [shm] });
    await client.startContainer({ containerId: "web" });
    await client.waitProcess({ containerId: "web" });
    const { data } = await client.readStdout({ containerId: "web", len: 1000 });
    assert.equal(new TextDecoder().decode(data), "tmpfs rw,noexec,relatime,size=1024k\n1048576\n");
  });

  it("of a sandbox is a directory that everybody may write to, outlives its containers, and follows no links", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const { client } = agent;
    const local = (mountPoint: string) => ({
      driver: "local",
      source: "local",
      fstype: "local",
      mountPoint,
      options: ["mode=0777"],
    });
    const place = `${guestShared}/box/rootfs/local/data`;
    const data = { destination: "/data", type: "bind", source: place, options: ["rbind"] };
    const process = { user: { uid: 1000, gid: 1000 } };
    for (const [script, printed] of [
      ["umask 0; echo first > /data/note; stat -c %a /data", "777\n"],
      ["cat /data/note; stat -c %u /data/note", "first\n1000\n"],
    ] as const) {
      const fields = client.specFields(specOf(["sh", "-c", script], { mounts: [data], process }));
      await client.createContainer({ containerId: "web", ...fields, storages: [local(place)] });
      await client.startContainer({ containerId: "web" });
      await client.waitProcess({ containerId: "web" });
      const answer = await client.readStdout({ containerId: "web", len: 1000 });
      assert.equal(new TextDecoder().decode(answer.data), printed);
      await client.removeContainer({ containerId: "web" });
    }
    assert.equal(await os.files.readText(`${agent.shared}/box/rootfs/local/data/note`), "first\n");
    assert.deepEqual((await agent.state()).mounts, before.mounts);

    await os.files.symlink("/etc", `${agent.shared}/box/rootfs/elsewhere`);
    for (const [storage, message] of [
      [local(`${guestShared}/box/rootfs/elsewhere/data`), /too many symbolic links/],
      [{ ...local(place), options: ["mode=rwx"] }, /"rwx" is not a file mode/],
    ] as const) {
      try {
        await client.createContainer({
          containerId: "web",
          ...client.specFields(specOf(["true"])),
          storages: [storage],
        });
        assert.fail("it was made");
      } catch (error) {
        assert.ok(message.test((error as Error).message), (error as Error).message);
      }
    }
  });

  it("that cannot be mounted leaves nothing of those before it", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const { client } = agent;
    const bad: readonly (readonly [object, string, RegExp])[] = [
      [{ driver: "nvdimm" }, "usage/invalid", /^Unknown storage driver "nvdimm"$/],
      [{ driver: "blk", source: "02/03" }, "agent/denied", /host's own kernel and must not use disks/],
      [{ driver: "ephemeral", fstype: "ext4" }, "usage/invalid", /tmpfs or hugetlbfs/],
      [
        { driver: "bind", source: "/no/such" },
        "storage/failed",
        /mounting bind storage "\/no\/such" on .*no such file/,
      ],
      [{ driver: "bind", source: "relative" }, "usage/invalid", /absolute path/],
      [{ ...shm, mountPoint: "/run/other", options: ["size=lots"] }, "storage/failed", /size=lots/],
      [{ ...shm, mountPoint: "/" }, "usage/invalid", /is not a mount point/],
    ];
    for (const [storage, code, message] of bad) {
      const failing = { mountPoint: "/run/kata-containers/other", ...storage };
      const fields = client.specFields(specOf(["true"]));
      try {
        await client.createContainer({ containerId: "web", ...fields, storages: [shm, failing] });
        assert.fail("it was mounted");
      } catch (error) {
        assert.equal((error as { code?: string }).code, code);
        assert.ok(message.test((error as Error).message), (error as Error).message);
      }
      assert.deepEqual((await agent.state()).mounts, before.mounts);
    }
  });

  it("with layers lies over what is mounted, has the lower root's attributes and leaves it unchanged", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const lower = `${guestShared}/box/rootfs`;
    await os.files.changeMode(`${agent.shared}/box/rootfs`, 0o751);
    const base = "/run/kata-containers/web";
    const [upperdir, workdir] = [`${base}/upper/layer`, `${base}/upper/work`];
    const storages = [
      { driver: "ephemeral", source: "upper", fstype: "tmpfs", mountPoint: `${base}/upper`, options: ["mode=755"] },
      {
        driver: "overlayfs",
        source: "overlay",
        fstype: "overlay",
        mountPoint: `${base}/rootfs`,
        options: [`lowerdir=${lower}`, `upperdir=${upperdir}`, `workdir=${workdir}`],
        driverOptions: [upperdir, workdir].map((path) => `io.katacontainers.volume.overlayfs.create_directory=${path}`),
      },
    ];
    const script = "stat -c %a /; echo new > /etc/new; rm /etc/passwd; ls /etc";
    const spec = specOf(["sh", "-c", script], { root: { path: `${base}/rootfs` } });
    await agent.client.createContainer({ containerId: "web", ...agent.client.specFields(spec), storages });
    await agent.client.startContainer({ containerId: "web" });
    await agent.client.waitProcess({ containerId: "web" });
    const { data } = await agent.client.readStdout({ containerId: "web", len: 1000 });
    assert.equal(new TextDecoder().decode(data), "751\nnew\n");
    assert.deepEqual(await os.files.list(`${agent.shared}/box/rootfs/etc`), ["passwd"]);
    await agent.client.removeContainer({ containerId: "web" });
    assert.deepEqual((await agent.state()).mounts, before.mounts);
  });

  it("that is shared with the host shows what the host mounts in it later", async () => {
    await using agent = await startAgent();
    const place = `${agent.shared}/later`;
    await os.files.makeDir(place, 0o755);
    await os.mounts.mount({ source: "tmpfs", target: place, type: "tmpfs", flags: [] });
    try {
      await os.files.write(`${place}/note`, "from the host", { mode: 0o644 });
      const later = { destination: "/later", type: "bind", source: `${guestShared}/later`, options: ["bind"] };
      assert.equal((await run(agent, "cat /later/note", { mounts: [later] })).out, "from the host");
    } finally {
      await os.mounts.unmount(place);
    }
    assert.equal((await run(agent, "true")).status, 0);
  });

  it("of a container may be a file", async () => {
    await using agent = await startAgent();
    await os.files.write(`${agent.shared}/note`, "text", { mode: 0o644 });
    const mountPoint = "/run/kata-containers/note";
    const storage = { driver: "bind", source: `${agent.shared}/note`, mountPoint, options: ["bind", "ro"] };
    const note = { destination: "/note", type: "bind", source: mountPoint, options: ["bind"] };
    const fields = agent.client.specFields(specOf(["cat", "/note"], { mounts: [note] }));
    await agent.client.createContainer({ containerId: "web", ...fields, storages: [storage] });
    await agent.client.startContainer({ containerId: "web" });
    await agent.client.waitProcess({ containerId: "web" });
    const { data } = await agent.client.readStdout({ containerId: "web", len: 100 });
    assert.equal(new TextDecoder().decode(data), "text");
    await agent.client.removeContainer({ containerId: "web" });
    assert.ok(!(await agent.state()).directories.includes("./kata-containers/note"));
  });
});
