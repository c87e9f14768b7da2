import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, removeContainer } from "../testing/container.testing.ts";
import { guestShared, specOf } from "../testing/spec.testing.ts";

/** Path in the guest; tests write the hooks through the shared directory. */
const guestHookPath = `${guestShared}/hooks`;

async function hook(agent: TestAgent, name: string, script: string, mode = 0o755): Promise<void> {
  const path = `${agent.shared}/hooks/${name}`;
  await os.files.makeDirs(path.slice(0, path.lastIndexOf("/")), 0o755);
  // The path at which the test's agent finds a shell.
  await os.files.write(path, `#!/host/bin/busybox sh\n${script}\n`, { mode });
  await os.files.changeMode(path, mode);
}

const trace = `${guestShared}/trace`;
const read = (agent: TestAgent): Promise<string> => os.files.readText(`${agent.shared}/trace`);

describe("hooks of the guest's own", () => {
  it("run around the life of every container, by name, outside of it, with its state and specification", async () => {
    await using agent = await startAgent({ guestHookPath });
    const before = await agent.state();
    const tell = (more = "") => `read state; echo "$(basename $0) $1 $state" >>${trace}; ${more}`;
    const bundle = "/run/libcontainer/web";
    await hook(agent, "prestart/2-second", tell());
    await hook(
      agent,
      "prestart/1-first",
      tell(`pid=\${state##*\\"pid\\":}; pid=\${pid%%\\}*}
        [ -e /proc/$pid/ns/mnt ] && /host/bin/busybox nsenter -m -t $pid /host/bin/busybox sh -c \\
          "echo from-hook >${guestShared}/box/rootfs/tmp/note" && grep -c '"args":\\["cat"' ${bundle}/config.json >>${trace}`),
    );
    await hook(agent, "prestart/3-no-hook", tell(), 0o644);
    await hook(agent, "poststart/one", tell("exit 1"));
    await hook(agent, "poststop/one", tell());
    const process = await createContainer(agent, specOf(["cat", "/tmp/note"], { annotations: { a: "b" } }), "web");
    const first = (await read(agent)).split("\n");
    assert.deepEqual(
      first.map((line) => line.split(" ").slice(0, 2).join(" ")),
      ["1-first prestart", "1", "2-second prestart", ""],
    );
    const state = JSON.parse((first[0] ?? "").slice("1-first prestart ".length)) as { pid: number };
    assert.ok(state.pid > 1, "a pid of the guest");
    assert.deepEqual(state, {
      ociVersion: "1.0.2",
      id: "web",
      bundle,
      annotations: { a: "b" },
      status: "creating",
      pid: state.pid,
    });
    await agent.client.startContainer({ containerId: "web" });
    assert.equal((await process.finish()).out, "from-hook\n");
    assert.ok(/\none poststart .*"status":"running"/.test(await read(agent)));
    assert.ok(/hook .*poststart\/one exited with status 1/.test(await agent.log()), "what fails is told");
    assert.ok(/3-no-hook is not executable, so it is not run as a hook/.test(await agent.log()));
    await removeContainer(agent, "web");
    assert.ok(/\none poststop .*"status":"stopped"/.test(await read(agent)));
    const after = await agent.state();
    assert.deepEqual(
      [after.mounts, after.processes, after.descriptors],
      [before.mounts, before.processes, before.descriptors],
    );
    assert.ok(!after.directories.some((path) => path.includes("libcontainer/web")));
  });

  it("of kind prestart fail the create if they fail, and nothing of the container is left", async () => {
    await using agent = await startAgent({ guestHookPath });
    const before = await agent.state();
    await hook(agent, "prestart/one", "echo the reason; exit 3");
    try {
      await createContainer(agent, specOf(["true"]), "web");
      assert.fail("it was made");
    } catch (error) {
      assert.equal((error as { code?: string }).code, "hook/failed");
      assert.ok(
        /prestart\/one exited with status 3: the reason/.test((error as Error).message),
        (error as Error).message,
      );
    }
    const after = await agent.state();
    assert.deepEqual([after.mounts, after.cgroups, after.processes], [before.mounts, before.cgroups, before.processes]);
  });

  it("may be missing, which is logged", async () => {
    await using agent = await startAgent({ guestHookPath: "/no/such" });
    const process = await createContainer(agent, specOf(["true"]), "web");
    await agent.client.startContainer({ containerId: "web" });
    assert.equal(await process.status(), 0);
    assert.ok(/the guest's own hooks are not run: .*\/no\/such\/prestart/.test(await agent.log()));
    await removeContainer(agent, "web");
  });
});
