import type { OciSpec } from "../../oci/spec.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { isKumiteError } from "../../util/errors.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, execIn, run, startContainer } from "../testing/container.testing.ts";
import { guestShared, processOf, type SpecChanges, specOf } from "../testing/spec.testing.ts";

/** The agent's error when it refuses. Checks that the agent's state is the same as before. */
async function refusal(agent: TestAgent, args: readonly string[], changes: SpecChanges = {}): Promise<string> {
  const before = await agent.state();
  let said = "nothing was refused";
  try {
    await createContainer(agent, specOf(args, changes), "web");
  } catch (error) {
    if (!isKumiteError(error)) throw error;
    said = `${error.code}: ${error.message}`;
  }
  assert.deepEqual(await agent.state(), before);
  return said;
}

const mounts = (...list: NonNullable<OciSpec["mounts"]>): SpecChanges => ({ mounts: list });

describe("a container that cannot be created", () => {
  it("is refused if its program does not exist, with a message that engines recognise", async () => {
    await using agent = await startAgent();
    const missing = 'process/executable-not-found: exec: "nosuch": executable file not found in $PATH';
    assert.equal(await refusal(agent, ["nosuch"]), missing);
    assert.equal(
      await refusal(agent, ["/no/such"]),
      'process/executable-not-found: exec: "/no/such": stat /no/such: no such file or directory',
    );
    assert.equal(
      await refusal(agent, ["/etc/passwd"]),
      'process/executable-not-found: exec: "/etc/passwd": permission denied',
    );
    assert.equal(await refusal(agent, ["/etc"]), 'process/executable-not-found: exec: "/etc": is a directory');
    assert.equal(
      await refusal(agent, ["sh"], { process: { env: [] } }),
      'process/executable-not-found: exec: "sh": executable file not found in $PATH',
    );
  });

  it("is refused if its user may not execute the program", async () => {
    await using agent = await startAgent();
    const program = `${agent.shared}/box/rootfs/bin/secret`;
    await os.files.write(program, "#!/bin/sh\n", { mode: 0o700 });
    const user = { uid: 1000, gid: 1000 };
    assert.equal(
      await refusal(agent, ["/bin/secret"], { process: { user } }),
      'process/executable-not-found: exec: "/bin/secret": permission denied',
    );
    assert.equal((await run(agent, "secret")).status, 0);
  });

  it("can have a program path relative to its directory", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["./busybox", "echo", "here"], { process: { cwd: "/bin" } }));
    assert.equal((await process.finish()).out, "here\n");
  });

  it("fails at its start if the kernel does not know the program's format", async () => {
    await using agent = await startAgent();
    await os.files.write(`${agent.shared}/box/rootfs/bin/odd`, "odd", { mode: 0o755 });
    await createContainer(agent, specOf(["odd"]), "web");
    await assert.rejects(agent.client.startContainer({ containerId: "web" }), {
      code: "process/executable-not-found",
      message: "exec /bin/odd: exec format error",
    });
    assert.equal((await agent.client.waitProcess({ containerId: "web", execId: "web" })).status, 127);
  });

  it("is refused with the step and the path that failed", async () => {
    await using agent = await startAgent();
    await os.files.symlink("/bin", `${agent.shared}/link`);
    const cases: readonly (readonly [SpecChanges, RegExp])[] = [
      [{ root: { path: `${guestShared}/none` } }, /^agent\/failed: using .*\/none as root file system: .*no such file/],
      [mounts({ destination: "/x", type: "nofs" }), /^agent\/failed: mounting \/x: .*nofs.*(ENODEV|no such device)/],
      [
        mounts({ destination: "/x", type: "tmpfs", options: ["size=lots"] }),
        /^agent\/failed: mounting \/x: mount tmpfs with size=lots \(.*size.*\): invalid argument/,
      ],
      [
        mounts({ destination: "/x", type: "bind", source: `${guestShared}/none` }),
        /^agent\/failed: mounting \/x: .*\/none: no such file or directory/,
      ],
      [
        mounts({ destination: "/x", type: "bind", source: `${guestShared}/link` }),
        /^agent\/failed: mounting \/x: .*\/link: too many symbolic links/,
      ],
      [
        mounts({ destination: "/etc/passwd", type: "tmpfs" }),
        /^agent\/failed: mounting \/etc\/passwd: .*not a directory/,
      ],
      [
        mounts({ destination: "/etc", type: "bind", source: "/dev/null" }),
        /^agent\/failed: mounting \/etc: mount \/etc: is a directory/,
      ],
      [
        { process: { cwd: "/etc/passwd" } },
        /^oci\/spec-invalid: process\.cwd: "\/etc\/passwd" is or lies below a file that is not a directory$/,
      ],
      [
        { process: { cwd: "/etc/passwd/below" } },
        /^oci\/spec-invalid: process\.cwd: "\/etc\/passwd\/below" is or lies below a file that is not a directory$/,
      ],
      [
        { process: { cwd: "/proc/nowhere" } },
        /^agent\/failed: process\.cwd: making \/proc\/nowhere: mkdir .*no such file/,
      ],
      [
        { process: { rlimits: [{ type: "RLIMIT_NOFILE", soft: 2 ** 40, hard: 2 ** 40 }] } },
        /^agent\/failed: setting RLIMIT_NOFILE to .*operation not permitted/,
      ],
      [
        { linux: { namespaces: [{ type: "uts", path: "/proc/1/ns/nothing" }] } },
        /^oci\/spec-invalid: linux\.namespaces: the uts namespace cannot be joined: .*no such file/,
      ],
      [
        { linux: { namespaces: [{ type: "uts", path: "/dev/null" }] } },
        /^oci\/spec-invalid: linux\.namespaces: the uts namespace cannot be joined: \/dev\/null is not a namespace of that type/,
      ],
      [
        { linux: { cgroupsPath: "/agent" } },
        /^oci\/spec-invalid: linux\.cgroupsPath must not be in the agent's own cgroup/,
      ],
    ];
    for (const [changes, expected] of cases) {
      const said = await refusal(agent, ["true"], changes);
      assert.ok(expected.test(said), `${said} is not like ${expected}`);
    }
  });

  it("is refused in a directory that is reachable only through a descriptor of the agent, and so is an exec process", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "first");
    const directories = Array.from({ length: 17 }, (_, index) => `/proc/self/fd/${index + 3}`);
    for (const cwd of directories) {
      assert.ok(
        /^(agent\/failed|oci\/spec-invalid): (process\.cwd: |chdir to cwd)/.test(
          await refusal(agent, ["true"], { process: { cwd } }),
        ),
        cwd,
      );
    }
    for (const cwd of directories) {
      await assert.rejects(execIn(agent, "first", processOf(["true"], { cwd })), { code: "agent/failed" });
    }
  });

  it("is refused in a cgroup that another one uses", async () => {
    await using agent = await startAgent();
    const linux = { cgroupsPath: "/pod/web" };
    await startContainer(agent, specOf(["sleep", "1000"], { linux }), "first");
    assert.equal(await refusal(agent, ["true"], { linux }), "cgroup/failed: cgroup /pod/web is in use");
  });

  it("is refused for a device if the image has another file there", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/box/rootfs/odd`, 0o755);
    await os.files.write(`${agent.shared}/box/rootfs/odd/device`, "");
    const linux = { devices: [{ path: "/odd/device", type: "c" as const, major: 1, minor: 3 }] };
    assert.equal(
      await refusal(agent, ["true"], { linux }),
      "agent/failed: making /odd/device: mknod /odd/device: file exists",
    );
  });

  it("is refused if it has a terminal but no devpts", async () => {
    await using agent = await startAgent();
    const spec = specOf(["true"], { process: { terminal: true } });
    const without = { ...spec, mounts: (spec.mounts ?? []).filter(({ type }) => type !== "devpts") };
    const before = await agent.state();
    await assert.rejects(createContainer(agent, without, "web"), { code: "agent/failed" });
    assert.deepEqual(await agent.state(), before);
  });
});
