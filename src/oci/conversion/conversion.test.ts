import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../../util/errors.ts";
import type { OciSpec } from "../spec.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { constrainSpec } from "./constrain.ts";
import { annotationOf, containerConfig, devicesOf } from "./container-config.ts";
import { environmentOf, variablesOf } from "./environment.ts";
import { ociStatusOf, sandboxConfig, shmSize } from "./sandbox-config.ts";

function refused(ask: () => unknown, message: RegExp): void {
  assert.throws(ask, (error) => isKumiteError(error, "oci/spec-invalid") && message.test(error.message));
}

function spec(change: Partial<OciSpec> = {}): OciSpec {
  return {
    ociVersion: "1.0.0",
    hostname: "h",
    root: { path: "rootfs", readonly: true },
    process: { args: ["sh"], cwd: "/", env: ["A=b=c", "no", "=x"], user: { uid: 1, gid: 2, additionalGids: [3] } },
    linux: {},
    ...change,
  };
}

const noFileSystem = () => Promise.reject(new Error("not asked for"));

describe("a container out of a specification", () => {
  it("has what the specification says", () => {
    const mounts = [{ destination: "/d", type: "bind", source: "/s", options: ["rbind", "ro"] }];
    const config = containerConfig({ id: "one", bundle: "/b", spec: spec({ mounts }) });
    assert.equal(config.rootfs, "/b/rootfs");
    assert.equal(config.readOnlyRootfs, true);
    assert.deepEqual(
      [config.command.user, config.command.primaryGroup, config.command.supplementaryGroups],
      ["1", "2", ["3"]],
    );
    assert.deepEqual(config.mounts, [{ ...mounts[0], readOnly: true }]);
    assert.equal(annotationOf(config.annotations, "io.katacontainers.pkg.oci.bundle_path"), "/b");
    assert.equal(annotationOf(config.annotations, "io.katacontainers.pkg.oci.container_type"), "single_container");
    assert.deepEqual(
      JSON.parse(annotationOf(config.annotations, "io.katacontainers.pkg.oci.config")),
      spec({ mounts }),
    );
    refused(() => annotationOf({}, "x"), /Annotation\[x\] not found/);
    const absolute = containerConfig({ id: "one", bundle: "/b", spec: spec({ root: { path: "/r/" } }) });
    assert.equal(absolute.rootfs, "/r");
  });

  it("is refused without the parts that it is made of", () => {
    const without = (key: "linux" | "root" | "process") => {
      const { [key]: _gone, ...rest } = spec();
      return () => containerConfig({ id: "one", bundle: "/b", spec: rest });
    };
    refused(without("linux"), /missing Linux section/);
    refused(without("root"), /root: missing/);
    refused(without("process"), /process: missing/);
  });

  it("has devices of four types, by default of root and without a mode", () => {
    assert.deepEqual(devicesOf([{ path: "/dev/x", type: "c", major: 1 }]), [
      { path: "/dev/x", type: "c", major: 1, minor: 0, mode: 0, uid: 0, gid: 0 },
    ]);
    refused(() => devicesOf([{ path: "", type: "a" }]), /Unexpected Device Type a/);
    refused(() => devicesOf([{ path: "", type: "c" }]), /Path cannot be empty for device/);
  });
});

describe("an environment", () => {
  it("of a specification leaves out what is no variable, and keeps later equals signs", () => {
    assert.deepEqual(environmentOf(["A=b=c", "no", "=x", "E="]), [
      { name: "A", value: "b=c" },
      { name: "", value: "x" },
      { name: "E", value: "" },
    ]);
  });

  it("of a command line is exact, without single quotes and blanks around values", () => {
    assert.deepEqual(variablesOf(["A= 'b c' ", 'D="e"', "F=g=h"]), [
      { name: "A", value: "b c" },
      { name: "D", value: '"e"' },
      { name: "F", value: "g=h" },
    ]);
    refused(() => variablesOf(["A"]), /Wrong string format: A/);
    refused(() => variablesOf(["=b"]), /Environment variable cannot be empty/);
  });
});

describe("capabilities", () => {
  const none = { bounding: [], effective: [], inheritable: [], ambient: [], permitted: [] };
  it("may be one list for all sets, or a list for each", () => {
    const list = ["CAP_KILL"];
    const all = { bounding: list, effective: list, inheritable: list, ambient: list, permitted: list };
    assert.deepEqual(capabilitiesOf({ capabilities: list }), all);
    assert.deepEqual(capabilitiesOf({ capabilities: { ambient: list, other: [] } }), { ...none, ambient: list });
    assert.deepEqual(capabilitiesOf({ capabilities: null }), none);
    assert.deepEqual(capabilitiesOf({}), none);
  });

  it("are refused in any other form", () => {
    refused(() => capabilitiesOf(undefined), /ContainerCapabilities, Process is nil/);
    for (const capabilities of [
      "CAP_KILL",
      1,
      [1],
      { bounding: null },
      { bounding: "x" },
      { other: 1 },
      { ambient: [1] },
    ]) {
      refused(() => capabilitiesOf({ capabilities }), /Unexpected format for capabilities/);
    }
  });
});

describe("a sandbox out of a specification", () => {
  it("has its first container, the annotations about its files, and the last network namespace with a path", async () => {
    const namespaces = ["/a", "", "/b"].map((path) => ({ type: "network" as const, path }));
    const kernel = "io.katacontainers.config.hypervisor.kernel";
    const source = spec({
      linux: { namespaces: [...namespaces, { type: "pid" }] },
      annotations: { [kernel]: "/k", x: "y" },
    });
    const config = await sandboxConfig({ id: "one", bundle: "/b", spec: source, fileSystemBytes: noFileSystem });
    assert.equal(config.networkNamespace, "/b");
    assert.equal(config.hostname, "h");
    assert.equal(config.shmBytes, 0);
    assert.deepEqual(Object.keys(config.annotations).sort(), [
      kernel,
      "io.katacontainers.pkg.oci.bundle_path",
      "io.katacontainers.pkg.oci.config",
      "io.katacontainers.pkg.oci.container_type",
    ]);
    assert.ok(!(kernel in config.containers[0].annotations));
  });

  it("has a /dev/shm of 64 MiB, or as large as what is bound there", async () => {
    const at = (type: string, source?: string) => ({
      destination: "/dev/shm",
      type,
      ...(source !== undefined && { source }),
    });
    const bytes = async (path: string) => (path === "/big" ? 5 : 7);
    assert.equal(await shmSize([], bytes), 0);
    assert.equal(await shmSize([at("tmpfs", "shm")], bytes), 64 << 20);
    assert.equal(await shmSize([at("bind", "/dev/shm")], bytes), 64 << 20);
    assert.equal(await shmSize([at("bind", "/big"), at("tmpfs")], bytes), 5);
    await assert.rejects(shmSize([at("bind", "/x")], noFileSystem), /not asked for/);
  });

  it("has the runtime specification's states", () => {
    const states = ["ready", "running", "paused", "stopped", "", "unknown"];
    assert.deepEqual(states.map(ociStatusOf), ["created", "running", "paused", "stopped", "", ""]);
  });
});

describe("what an agent of others gets", () => {
  const options = { disableGuestSeccomp: false, agentHasSeccomp: true, shmBytes: 1, vfioByGuestKernel: true };
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  const full = spec({
    hooks: { prestart: [{ path: "/h" }] },
    process: { args: ["sh"], cwd: "/", selinuxLabel: "l" },
    mounts: [{ destination: "/dev/shm", type: "tmpfs" }, { destination: "/x" }],
    linux: {
      seccomp,
      cgroupsPath: "machine.slice:kumite:one",
      namespaces: [{ type: "pid", path: "/p" }, { type: "network" }, { type: "ipc", path: "/i" }, { type: "cgroup" }],
      devices: [
        { path: "/dev/vfio/1", type: "c" },
        { path: "/dev/vfio", type: "c" },
      ],
      resources: {
        devices: [{ allow: false }],
        pids: { limit: 1 },
        hugepageLimits: [{ pageSize: "2MB", limit: 1 }],
        cpu: { quota: 1, cpus: "0", mems: "0" },
        memory: { limit: 5 },
      },
    },
  });

  it("is without what is the host's, or would be done twice", () => {
    const { spec: constrained, sharesPidNamespace } = constrainSpec(full, options);
    assert.equal(sharesPidNamespace, true);
    assert.equal(constrained.hooks, undefined);
    assert.equal(constrained.process?.selinuxLabel, undefined);
    assert.deepEqual(constrained.linux, {
      seccomp,
      cgroupsPath: "/kumite/one",
      namespaces: [{ type: "ipc" }],
      devices: [{ path: "/dev/vfio", type: "c" }],
      resources: { cpu: { quota: 1 }, memory: { limit: 5 } },
    });
    assert.deepEqual(constrained.mounts, [
      { destination: "/dev/shm", type: "bind", source: "/run/kata-containers/sandbox/shm", options: ["rbind"] },
      { destination: "/x" },
    ]);
  });

  it("has a seccomp profile only where both sides want it, and a /dev/shm in any case", () => {
    for (const change of [{ disableGuestSeccomp: true }, { agentHasSeccomp: false }]) {
      assert.equal(constrainSpec(full, { ...options, ...change }).spec.linux?.seccomp, undefined);
    }
    const [shm] = constrainSpec(full, { ...options, shmBytes: 0 }).spec.mounts ?? [];
    assert.equal(shm?.type, "tmpfs");
    const ephemeral = { destination: "/dev/shm", type: "ephemeral" };
    assert.deepEqual(constrainSpec({ ...full, mounts: [ephemeral] }, options).spec.mounts, [ephemeral]);
  });
});
