import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, removeContainer, run } from "../testing/container.testing.ts";
import { guestShared, specOf } from "../testing/spec.testing.ts";

/** The path at which the test's agent finds a shell. */
const guestShell = "/host/bin/busybox";
const shell = (script: string, more: object = {}) => ({ path: guestShell, args: ["sh", "-c", script], ...more });
const inside = (script: string, more: object = {}) => ({ path: "/bin/sh", args: ["sh", "-c", script], ...more });

async function volume(agent: TestAgent): Promise<string> {
  await os.files.makeDir(`${agent.shared}/volume`, 0o777);
  await os.files.changeMode(`${agent.shared}/volume`, 0o777);
  return `${agent.shared}/volume`;
}
const data = { destination: "/data", type: "bind", source: `${guestShared}/volume`, options: ["bind"] };

describe("hooks in the guest", () => {
  it("get the state, in their order, before and after the root is entered", async () => {
    await using agent = await startAgent();
    const place = await volume(agent);
    const tell = (where: string, name: string) => `cat >${where}/${name}; echo "$0 $* $A" >>${where}/order`;
    const hooks = {
      createContainer: [
        shell(tell(`${guestShared}/volume`, "one"), { env: ["A=1"] }),
        {
          path: guestShell,
          args: ["sh", "-c", `${tell(`${guestShared}/volume`, "two")}; umask >>${guestShared}/volume/two`],
        },
      ],
      startContainer: [inside(`${tell("/data", "three")}; id -u >>/data/order`, { env: ["A=3"] })],
    };
    const changes = { hooks, annotations: { note: "ü" }, process: { user: { uid: 1000, gid: 1000 } } };
    const process = await createContainer(agent, specOf(["cat", "/data/three"], { ...changes, mounts: [data] }), "web");
    const state = {
      ociVersion: "1.0.2",
      id: "web",
      bundle: `${guestShared}/box`,
      annotations: { note: "ü" },
      status: "creating",
      pid: 1,
    };
    assert.deepEqual(JSON.parse(await os.files.readText(`${place}/one`)), state);
    assert.equal(await os.files.readText(`${place}/two`), `${JSON.stringify(state)}0022\n`);
    assert.equal(await os.files.readText(`${place}/order`), "sh  1\nsh  \n");
    await os.files.changeMode(`${place}/order`, 0o666);
    await agent.client.startContainer({ containerId: "web" });
    assert.deepEqual(JSON.parse((await process.finish()).out), { ...state, status: "created" });
    assert.equal(await os.files.readText(`${place}/order`), "sh  1\nsh  \nsh  3\n1000\n");
    await removeContainer(agent, "web");
  });

  it("may mount into the root file system of the container", async () => {
    await using agent = await startAgent();
    await volume(agent);
    const hooks = {
      createContainer: [
        shell(
          `cd ${guestShared} && ${guestShell} mount --bind volume box/rootfs/tmp && echo from-hook >box/rootfs/tmp/x`,
        ),
      ],
    };
    assert.equal((await run(agent, "cat /tmp/x", { hooks })).out, "from-hook\n");
  });

  it("that fail before the root is entered fail the create, with their output", async () => {
    await using agent = await startAgent();
    await volume(agent);
    const before = await agent.state();
    const fails: readonly (readonly [object, string])[] = [
      [shell("echo to-out; echo to-err >&2; exit 3"), `(${guestShell}) exited with status 3: to-out\nto-err`],
      [shell("kill -9 $$"), `(${guestShell}) was killed by signal 9`],
      [shell(`sleep 1000 & wait`, { timeout: 1 }), `(${guestShell}) did not end within 1 s and was killed`],
      [{ path: "/no/such" }, "(/no/such) could not be started: exec /no/such: no such file or directory"],
    ];
    for (const [hook, said] of fails) {
      const hooks = { createContainer: [hook, shell(`touch ${guestShared}/volume/next`)] };
      const created = createContainer(agent, specOf(["true"], { hooks: hooks as never }), "web");
      await assert.rejects(created, { code: "hook/failed", message: `hooks.createContainer[0] ${said}` });
      assert.deepEqual(await agent.state(), before);
    }
    assert.deepEqual(await os.files.list(`${agent.shared}/volume`), []);
  });

  it("that fail at the start fail it, and the program never runs", async () => {
    await using agent = await startAgent();
    const place = await volume(agent);
    const hooks = { startContainer: [inside("exit 7")] };
    await createContainer(agent, specOf(["touch", "/data/ran"], { hooks, mounts: [data] }), "web");
    await assert.rejects(agent.client.startContainer({ containerId: "web" }), {
      code: "hook/failed",
      message: "hooks.startContainer[0] (/bin/sh) exited with status 7",
    });
    assert.equal((await agent.client.waitProcess({ containerId: "web", execId: "web" })).status, 127);
    assert.deepEqual(await os.files.list(place), []);
    await removeContainer(agent, "web");
  });
});
