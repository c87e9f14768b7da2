import type { OciSeccomp, OciSpec } from "../../oci/spec.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { isKumiteError } from "../../util/errors.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, execIn, freshId, freshPorts, run, startContainer } from "../testing/container.testing.ts";
import { processOf, type SpecChanges, specOf } from "../testing/spec.testing.ts";

/** A profile that allows everything except these. */
function without(names: string[], changes: Partial<OciSeccomp> = {}): SpecChanges {
  const syscalls = [{ names, action: "SCMP_ACT_ERRNO", errnoRet: 28 }];
  const seccomp: OciSeccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls, ...changes };
  return { linux: { seccomp } };
}

const noDirectories = without(["mkdir", "mkdirat"]);
const refused = "mkdir: can't create directory '/tmp/x': No space left on device\n";

/** Runs a container from its messages or its JSON alone, like a host that compiles nothing. */
async function runUncompiled(agent: TestAgent, spec: OciSpec, form: "messages" | "json"): Promise<string> {
  const [id, ports] = [freshId(), freshPorts()];
  const { OCI } = agent.client.specFields(spec);
  const fields = form === "messages" ? { OCI } : { kumiteOciJson: JSON.stringify(spec) };
  await agent.client.createContainer({ containerId: id, execId: id, ...fields, ...ports, stderrPort: 0 });
  await agent.client.startContainer({ containerId: id });
  const { status } = await agent.client.waitProcess({ containerId: id, execId: id });
  await agent.client.removeContainer({ containerId: id });
  return String(status);
}

describe("a seccomp profile", () => {
  it("applies to the first process and to exec processes", async () => {
    await using agent = await startAgent();
    const script = "mkdir /tmp/x; grep '^Seccomp:' /proc/self/status";
    const first = await startContainer(
      agent,
      specOf(["sh", "-c", `${script}; while ! [ -e /dev/shm/done ]; do :; done`], noDirectories),
      "web",
    );
    const further = await execIn(agent, "web", processOf(["sh", "-c", `${script}; touch /dev/shm/done`]));
    const expected = { out: "Seccomp:\t2\n", err: refused, status: 0 };
    assert.deepEqual(await further.finish(), expected);
    assert.deepEqual(await first.finish(), expected);
  });

  it("is set with and without no_new_privs, for root and others, and leaves their capabilities unchanged", async () => {
    await using agent = await startAgent();
    const script =
      "mkdir /tmp/x; grep -E '^(CapPrm|CapEff|NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '";
    const kill = ["CAP_KILL"];
    const capabilities = { bounding: kill, effective: kill, permitted: kill, inheritable: kill };
    for (const noNewPrivileges of [true, false]) {
      for (const uid of [0, 1000]) {
        const process = { noNewPrivileges, capabilities, user: { uid, gid: uid } };
        const set = uid === 0 ? "0000000000000020" : "0000000000000000";
        const { out, err } = await run(agent, script, { ...noDirectories, process });
        assert.deepEqual([out, err], [`${set} ${set} ${noNewPrivileges ? 1 : 0} 2 `, refused]);
      }
    }
  });

  it("need not allow anything that the agent does to start a program", async () => {
    await using agent = await startAgent();
    const ours =
      "capset prctl setresuid setresgid setgroups chdir getcwd statx faccessat umask sendmsg recvmsg close_range seccomp";
    for (const noNewPrivileges of [true, false]) {
      const { out, status } = await run(agent, "echo up", {
        ...without(ours.split(" ")),
        process: { noNewPrivileges },
      });
      assert.deepEqual([out, status], ["up\n", 0]);
    }
  });

  it("applies to hooks in the container, and gives them no rights that it lacks", async () => {
    await using agent = await startAgent();
    const kill = ["CAP_KILL"];
    const capabilities = { bounding: kill, effective: kill, permitted: kill, inheritable: kill };
    const note =
      "grep -E '^Cap(Prm|Eff):' /proc/self/status | cut -f2 > /tmp/hook; mkdir /tmp/made || echo filtered >> /tmp/hook";
    for (const [uid, set] of [
      [0, "0000000000000020"],
      [1000, "0000000000000000"],
    ] as const) {
      const { out } = await run(agent, "cat /tmp/hook; rm -f /tmp/hook", {
        ...noDirectories,
        process: { noNewPrivileges: false, capabilities, user: { uid, gid: uid } },
        hooks: { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", note] }] },
      });
      assert.equal(out, `${set}\n${set}\nfiltered\n`);
    }
  });

  it("can kill a process, which is reported as SIGSYS", async () => {
    await using agent = await startAgent();
    for (const action of ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"]) {
      const changes = without([], { syscalls: [{ names: ["mkdir", "mkdirat"], action }] });
      const { status } = await run(agent, "exec mkdir /tmp/x", changes);
      assert.equal(status, 128 + 31, action);
    }
  });

  it("that refuses the exit of a process, too, leaves none that cannot end", async () => {
    await using agent = await startAgent();
    // Allows execve only with arguments that nobody passes, so that the container can be created and fails at its
    // start.
    const args = [{ index: 1, value: 1, op: "SCMP_CMP_EQ" }];
    const syscalls = [{ names: ["execve"], action: "SCMP_ACT_ALLOW", args }];
    const nothing = { linux: { seccomp: { defaultAction: "SCMP_ACT_ERRNO", syscalls } } };
    const { status } = await run(agent, "true", nothing);
    // SIGILL, both with the host's steps and with the agent's own code.
    assert.equal(status, 128 + 4);
    assert.equal(await runUncompiled(agent, specOf(["true"], nothing), "json"), String(128 + 4));
  });

  it("compares arguments", async () => {
    await using agent = await startAgent();
    // Only kill(2) with SIGUSR1.
    const args = [{ index: 1, value: 10, op: "SCMP_CMP_EQ" }];
    const changes = without([], { syscalls: [{ names: ["kill"], action: "SCMP_ACT_ERRNO", errnoRet: 28, args }] });
    const { out, err } = await run(
      agent,
      "trap 'echo USR1' USR1; trap 'echo USR2' USR2; kill -USR1 $$; kill -USR2 $$",
      changes,
    );
    assert.deepEqual([out, err], ["USR2\n", "sh: can't kill pid 1: No space left on device\n"]);
  });

  it("is compiled by the agent if the host does not compile it", async () => {
    await using agent = await startAgent();
    const spec = specOf(
      ["sh", "-c", "mkdir /tmp/x; echo $? > /dev/shm/status; exit $(cat /dev/shm/status)"],
      noDirectories,
    );
    assert.equal(await runUncompiled(agent, spec, "json"), "1");
    assert.equal(await runUncompiled(agent, spec, "messages"), "1");
    const open = specOf(["sh", "-c", "mkdir /tmp/x"]);
    assert.equal(await runUncompiled(agent, open, "messages"), "0");
  });

  it("is refused before anything is created if it is invalid, or wants a listener", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const cases: readonly (readonly [Partial<OciSeccomp>, string])[] = [
      [{ defaultAction: "SCMP_ACT_NOTIFY" }, "oci/unsupported: linux.seccomp.defaultAction is not supported"],
      [{ listenerPath: "/run/listener" }, "oci/unsupported: linux.seccomp.listenerPath is not supported"],
      [{ architectures: ["VAX"] }, "oci/spec-invalid: linux.seccomp.architectures[0] is not a known architecture"],
    ];
    for (const [changes, expected] of cases) {
      const spec = specOf(["true"], without([], changes));
      const foreign = { containerId: "web", kumiteOciJson: JSON.stringify(spec) };
      for (const create of [() => createContainer(agent, spec, "web"), () => agent.client.createContainer(foreign)]) {
        let said = "nothing was refused";
        try {
          await create();
        } catch (error) {
          if (!isKumiteError(error)) throw error;
          said = `${error.code}: ${error.message}`;
        }
        assert.ok(said.startsWith(expected), said);
      }
    }
    assert.deepEqual(await agent.state(), before);
  });

  it("that the kernel refuses fails the start with the kernel's reason", async () => {
    await using agent = await startAgent();
    const spec = specOf(["true"]);
    const fields = { kumiteOciJson: JSON.stringify(spec), kumiteSeccomp: new Uint8Array(8).fill(255) };
    await agent.client.createContainer({ containerId: "web", execId: "web", ...fields });
    await assert.rejects(agent.client.startContainer({ containerId: "web" }), {
      code: "agent/failed",
      message: "setting the seccomp filter: seccomp: invalid argument",
    });
    const odd = { ...fields, containerId: "odd", kumiteSeccomp: new Uint8Array(7) };
    await assert.rejects(agent.client.createContainer(odd), {
      code: "oci/spec-invalid",
      message: "kumite_seccomp is not a program: it has 7 bytes",
    });
  });
});
