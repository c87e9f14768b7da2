import type { OciSpec } from "../../oci/spec.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, execIn, run, startContainer } from "../testing/container.testing.ts";
import { processOf, specOf } from "../testing/spec.testing.ts";

type Resources = NonNullable<NonNullable<OciSpec["linux"]>["resources"]>;
type Rules = NonNullable<Resources["devices"]>;

const capabilities = ["CAP_MKNOD", "CAP_DAC_OVERRIDE"];
const process = { capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities } };
/** No driver has these numbers. A process that may open such a device gets ENXIO, on every kernel. */
const mknod = "rm -f /tmp/one /tmp/two; mknod /tmp/one c 500 1; mknod /tmp/two b 500 2; ";
const says = (path: string, how: "allowed" | "refused") =>
  `sh: can't open ${path}: ${how === "allowed" ? "No such device or address" : "Operation not permitted"}\n`;

async function seen(agent: TestAgent, script: string, devices: Rules): Promise<string> {
  const { out, err } = await run(agent, script, { process, linux: { resources: { devices } } });
  return out + err;
}

describe("a container with CAP_MKNOD", () => {
  it("can create nodes of any device, and open only those that every container may", async () => {
    await using agent = await startAgent();
    const opens = "true < /tmp/one; true < /tmp/two; true < /dev/tty";
    const script = `${mknod} ${opens}; true > /dev/null && true < /dev/zero && true < /dev/full && true < /dev/urandom && echo fine`;
    for (const devices of [[], [{ allow: false, access: "rwm" }]] satisfies Rules[]) {
      const said = await seen(agent, script, devices);
      const refusals = says("/tmp/one", "refused") + says("/tmp/two", "refused");
      assert.equal(said, `fine\n${refusals}${says("/dev/tty", "allowed")}`);
    }
  });

  it("can open a device as far as a rule allows it, and the last rule counts", async () => {
    await using agent = await startAgent();
    const one = { type: "c", major: 500, minor: 1 };
    const script = `${mknod} true < /tmp/one; true 1<> /tmp/one; true < /tmp/two`;
    const opens = async (...rules: Rules): Promise<string> => {
      const said = await seen(agent, script, [{ allow: false, access: "rwm" }, ...rules]);
      const answers = said.trimEnd().split("\n");
      return answers.map((line) => (line.endsWith("No such device or address") ? "yes" : "no")).join(" ");
    };
    // Reading one, reading and writing one, reading two.
    assert.equal(await opens(), "no no no");
    assert.equal(await opens({ allow: true, ...one, access: "rw" }), "yes yes no");
    assert.equal(await opens({ allow: true, ...one, access: "r" }), "yes no no");
    assert.equal(await opens({ allow: true, type: "c", major: 500, access: "rwm" }), "yes yes no");
    assert.equal(await opens({ allow: true, type: "b", minor: 2, access: "rwm" }), "no no yes");
    assert.equal(await opens({ allow: true, type: "a", access: "rwm" }), "yes yes yes");
    assert.equal(await opens({ allow: true, access: "rwm" }, { allow: false, ...one, access: "w" }), "yes no yes");
    const notOne = { allow: false, type: "c", major: -1, minor: 1, access: "rw" };
    assert.equal(await opens({ allow: true, ...one, access: "rw" }, notOne), "no no no");
    assert.equal(await opens(notOne, { allow: true, ...one, access: "rw" }), "yes yes no");
    const noNull = { allow: false, type: "c", major: 1, minor: 3, access: "rwm" };
    assert.equal(await seen(agent, "true > /dev/null && echo fine", [noNull]), "fine\n");
  });

  it("has a terminal of its own", async () => {
    await using agent = await startAgent();
    const spec = specOf(["sh", "-c", "true < /dev/console && true < /dev/tty && true < /dev/pts/0 && echo fine"], {
      process: { ...process, terminal: true },
    });
    assert.equal((await (await startContainer(agent, spec)).finish()).out, "fine\r\n");
  });

  it("has the same rights in exec processes, and an update applies at once", async () => {
    await using agent = await startAgent();
    const spec = specOf(["sh", "-c", `${mknod} sleep 1000`], { process });
    await startContainer(agent, spec, "web");
    const script = "while ! [ -b /tmp/two ]; do :; done; true < /tmp/one";
    const reading = async () => {
      const { out, err } = await (await execIn(agent, "web", processOf(["sh", "-c", script], process))).finish();
      return out + err;
    };
    assert.equal(await reading(), says("/tmp/one", "refused"));
    const allow: Rules = [{ allow: true, type: "c", major: 500, minor: 1, access: "r" }];
    await agent.client.updateContainer({ containerId: "web", kumiteOciJson: JSON.stringify({ devices: allow }) });
    assert.equal(await reading(), says("/tmp/one", "allowed"));
    await agent.client.updateContainer({ containerId: "web", kumiteOciJson: JSON.stringify({ pids: { limit: 50 } }) });
    assert.equal(await reading(), says("/tmp/one", "allowed"));
    await agent.client.updateContainer({
      containerId: "web",
      kumiteOciJson: JSON.stringify({ devices: [{ allow: false, access: "rwm" }] }),
    });
    assert.equal(await reading(), says("/tmp/one", "refused"));
  });

  it("is refused for an invalid rule", async () => {
    await using agent = await startAgent();
    const refuses = (rule: Rules[number], message: string) =>
      assert.rejects(createContainer(agent, specOf(["true"], { linux: { resources: { devices: [rule] } } })), {
        code: "oci/spec-invalid",
        message: `linux.resources.devices[0].${message}`,
      });
    await refuses({ allow: true }, "access is missing");
    await refuses({ allow: true, access: "rx" }, 'access must consist of the letters r, w and m, not "rx"');
    await refuses({ allow: true, type: "p", access: "r" }, 'type must be a, b or c, not "p"');
  });
});
