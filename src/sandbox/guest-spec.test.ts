import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { documents, installed } from "../../test/support/oci-documents.ts";
import type { Bundle, BundleSpec } from "../oci/bundle.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import { validateSpec } from "../oci/validate.ts";
import { isKumiteError } from "../util/errors.ts";
import { guestSpecOf } from "./guest-spec.ts";
import type { Surroundings } from "./shared-namespaces.ts";

const place = { path: "/b", configFile: "/b/config.json", rootfs: "/b/rootfs", rootfsKind: "directory" } as const;
const alone: Surroundings = { owns: () => false, first: undefined };

function converted(change: (spec: BundleSpec) => void, guestSeccomp = true, around = alone) {
  const spec = defaultSpec();
  change(spec);
  const bundle: Bundle = { ...place, spec };
  return guestSpecOf(bundle, "/guest/rootfs", [{ destination: "/proc", type: "proc" }], { guestSeccomp }, around);
}

describe("the specification for the guest", () => {
  it("has paths of the guest, and is otherwise unchanged", () => {
    const { spec } = converted(() => {});
    assert.deepEqual(spec.root, { path: "/guest/rootfs", readonly: true });
    assert.deepEqual(spec.mounts, [{ destination: "/proc", type: "proc" }]);
    assert.deepEqual(spec.process, defaultSpec().process);
  });

  it("has the VM's network and no cgroup or labels of the host", () => {
    const { spec } = converted((given) => {
      given.linux.cgroupsPath = "/host/path";
      given.linux.mountLabel = "system_u:object_r:x";
      given.process.selinuxLabel = "x";
      given.process.apparmorProfile = "docker-default";
    });
    assert.ok(!spec.linux.namespaces?.some(({ type }) => type === "network"));
    assert.ok(!("cgroupsPath" in spec.linux) && !("mountLabel" in spec.linux));
    assert.ok(!("selinuxLabel" in spec.process) && !("apparmorProfile" in spec.process));
  });

  it("has no annotations that configure VMs, no device that only the host has, and no invalid variables", () => {
    const { spec, notes } = converted((given) => {
      given.annotations = {
        "com.example": "kept",
        "io.katacontainers.config.hypervisor.kernel": "/host/kernel",
        "io.katacontainers.config_path": "/host/file",
        "io.katacontainers.pkg.oci.container_type": "pod_container",
      };
      given.linux.devices = [
        { type: "c", path: "/dev/vfio/7", major: 10, minor: 196 },
        { type: "c", path: "/dev/fuse", major: 10, minor: 229 },
      ];
      given.process.env = ["A=1", "B", "=2", "C="];
    });
    assert.deepEqual(spec.annotations, {
      "com.example": "kept",
      "io.katacontainers.pkg.oci.container_type": "pod_container",
    });
    assert.deepEqual(
      spec.linux.devices?.map(({ path }) => path),
      ["/dev/fuse"],
    );
    assert.deepEqual(spec.process.env, ["A=1", "C="]);
    assert.deepEqual(notes, [
      "process.env[1] is left out: it is not NAME=value",
      "process.env[2] is left out: it is not NAME=value",
      "linux.devices[0] is left out: devices of the host cannot be attached to a VM yet",
    ]);
  });

  it("has all limits, with the guest's device numbers", () => {
    const { spec } = converted((given) => {
      given.linux.resources = { cpu: { shares: 512, cpus: "3-7", mems: "1" }, pids: { limit: 5 } };
    });
    assert.deepEqual(spec.linux.resources, { cpu: { shares: 512, cpus: "3-7", mems: "1" }, pids: { limit: 5 } });
  });

  it("has the hooks that run in the container, and not those of the host", () => {
    const hook = { path: "/bin/hook" };
    const { spec, notes } = converted((given) => {
      given.hooks = { prestart: [hook], createContainer: [hook], startContainer: [hook], poststop: [] };
    });
    assert.deepEqual(spec.hooks, { createContainer: [hook], startContainer: [hook] });
    assert.deepEqual(notes, []);
  });

  it("is refused for network parameters without a network namespace of its own", () => {
    const change = (...types: ("network" | "pid")[]) =>
      converted((given) => {
        given.linux.namespaces = types.map((type) => ({ type }));
        given.linux.sysctl = { "net.ipv4.ip_forward": "1" };
      });
    assert.throws(() => change("pid"), { code: "oci/spec-invalid" });
    assert.deepEqual(change("network").spec.linux.sysctl, { "net.ipv4.ip_forward": "1" });
  });

  it("has the seccomp profile unless the configuration disables it", () => {
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
    const change = (given: BundleSpec) => {
      given.linux.seccomp = seccomp;
    };
    assert.deepEqual(converted(change).spec.linux.seccomp, seccomp);
    const { spec, notes } = converted(change, false);
    assert.ok(!("seccomp" in spec.linux));
    assert.deepEqual(notes, ["linux.seccomp is not applied: runtime.disable_guest_seccomp is set"]);
    assert.ok(!("seccomp" in converted(() => {}).spec.linux));
  });

  it("is refused for an invalid seccomp profile before there is a VM", () => {
    const change = (defaultAction: string) => () =>
      converted((given) => {
        given.linux.seccomp = { defaultAction };
      });
    assert.throws(change("SCMP_ACT_DENY"), {
      code: "oci/spec-invalid",
      message: /^\/b\/config\.json: linux\.seccomp\.defaultAction is not a known action: "SCMP_ACT_DENY"/,
    });
    assert.throws(change("SCMP_ACT_NOTIFY"), { code: "oci/unsupported" });
  });

  it(
    "is allowed by the schema too, for every specification that the schema allows, without data of the host",
    installed,
    () => {
      const around: Surroundings = { owns: () => true, first: undefined };
      fc.assert(
        fc.property(documents(), (document) => {
          const spec = validateSpec(structuredClone(document), "config.json") as BundleSpec;
          // The schema alone does not say which of these are valid.
          delete spec.linux.seccomp;
          delete spec.linux.sysctl;
          // Namespaces of these types cannot be joined.
          for (const namespace of spec.linux.namespaces ?? []) {
            if (namespace.type === "mount" || namespace.type === "time") delete namespace.path;
          }
          const bundle: Bundle = {
            path: "/b",
            configFile: "/b/config.json",
            rootfs: "/b/r",
            rootfsKind: "directory",
            spec,
          };
          const { spec: guest } = guestSpecOf(bundle, "/guest/rootfs", [], { guestSeccomp: true }, around);
          validateSpec(structuredClone(guest), "guest.json");
          assert.equal(guest.root.path, "/guest/rootfs");
          for (const key of ["cgroupsPath", "mountLabel"]) assert.ok(!(key in guest.linux), key);
          for (const key of ["selinuxLabel", "apparmorProfile"]) assert.ok(!(key in guest.process), key);
          for (const { type, path } of guest.linux.namespaces ?? []) {
            assert.notEqual(type, "network");
            assert.equal(path, undefined, `the ${type} namespace is made in the guest`);
          }
          for (const name of Object.keys(guest.hooks ?? {})) assert.match(name, /^(create|start)Container$/);
          for (const entry of guest.process.env ?? []) assert.match(entry, /^[^=]+=/);
        }),
        { numRuns: 300 },
      );
    },
  );

  it("leaves the given one unchanged", () => {
    const spec = defaultSpec();
    guestSpecOf(
      { ...place, spec },
      "/g",
      [],
      {
        guestSeccomp: true,
      },
      alone,
    );
    assert.deepEqual(spec, defaultSpec());
  });

  it("cannot join a namespace of the host, and says which one", () => {
    assert.throws(
      () => converted((given) => given.linux.namespaces?.splice(0, 1, { type: "pid", path: "/proc/1/ns/pid" })),
      (error) => {
        assert.ok(isKumiteError(error, "oci/unsupported"));
        assert.match(error.message, /config.json: linux.namespaces\[0\]: the pid namespace \/proc\/1\/ns\/pid cannot/);
        return true;
      },
    );
  });

  it("is in the namespaces of its sandbox, whatever path names them", () => {
    const first = defaultSpec();
    first.hostname = "pod";
    first.linux.uidMappings = [{ containerID: 0, hostID: 5, size: 9 }];
    const around: Surroundings = { owns: (_, path) => path.startsWith("/proc/7/ns/"), first };
    const change = (type: "pid" | "ipc" | "user" | "cgroup" | "time" | "mount", pid = 7) =>
      converted(
        (given) => {
          given.hostname = "mine";
          given.linux.namespaces = [{ type, path: `/proc/${pid}/ns/${type}` }];
        },
        true,
        around,
      );
    assert.deepEqual(change("ipc").spec.linux.namespaces, [{ type: "ipc" }]);
    assert.equal(change("ipc").sharesPids, false);
    assert.deepEqual(change("cgroup").spec.linux.namespaces, [{ type: "cgroup" }]);
    assert.deepEqual(change("pid").spec.linux.namespaces, []);
    assert.equal(change("pid").sharesPids, true);
    assert.deepEqual(change("user").spec.linux.uidMappings, first.linux.uidMappings);
    for (const type of ["time", "mount"] as const) assert.throws(() => change(type), { code: "oci/unsupported" });
    assert.throws(() => change("ipc", 8), { code: "oci/unsupported" });
    assert.equal(change("ipc").spec.hostname, undefined);
    assert.ok(change("ipc").notes.includes("hostname is not applied: the container has its sandbox's"));
  });

  for (const [what, change] of [
    ["a path", (spec: BundleSpec) => spec.linux.namespaces?.splice(1, 1, { type: "network", path: "/run/netns/x" })],
    ["none", (spec: BundleSpec) => spec.linux.namespaces?.splice(1, 1)],
  ] as const) {
    it(`says once that there is no networking when the network namespace has ${what}`, () => {
      const { notes } = converted(change);
      assert.deepEqual(notes, ["networking is not supported yet: the container has a loopback interface only"]);
    });
  }
});
