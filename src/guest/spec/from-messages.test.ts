import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Process, Spec } from "../../protocol/gen/kata/oci.ts";
import { read, refused } from "./container.testing.ts";
import { specDocument } from "./from-messages.ts";

describe("a configuration in messages", () => {
  it("is read like its JSON", () => {
    const document = {
      ociVersion: "1.0.2",
      process: {
        terminal: true,
        consoleSize: { height: 24, width: 80 },
        user: { uid: 7, gid: 8, additionalGids: [9] },
        args: ["sh", "-c", "true"],
        env: ["PATH=/bin"],
        cwd: "/tmp",
        capabilities: { bounding: ["CAP_KILL"], effective: [], inheritable: [], permitted: ["CAP_KILL"], ambient: [] },
        rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 2 ** 64 }],
        noNewPrivileges: true,
        oomScoreAdj: -5,
      },
      root: { path: "/run/rootfs", readonly: true },
      hostname: "box",
      annotations: { what: "for" },
      hooks: {
        createContainer: [{ path: "/bin/one", args: ["one", "1"], env: ["A=b"], timeout: 5 }],
        startContainer: [{ path: "/bin/two" }],
      },
      mounts: [{ destination: "/proc", type: "proc", source: "proc", options: ["nosuid"] }],
      linux: {
        sysctl: { "net.ipv4.ip_forward": "1" },
        resources: {
          devices: [{ allow: true, type: "c", major: 10, minor: 229, access: "rw" }],
          memory: { limit: 1048576, reservation: 4096, swap: 2097152, disableOOMKiller: true },
          cpu: { shares: 512, quota: 5000, period: 10000, cpus: "0-1", mems: "0", realtimePeriod: 7 },
          pids: { limit: 10 },
          blockIO: {
            weight: 100,
            weightDevice: [{ major: 8, minor: 0, weight: 200 }],
            throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }],
            throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 2000 }],
          },
          hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
          network: { classID: 3 },
        },
        cgroupsPath: "/pods/web",
        namespaces: [{ type: "uts" }, { type: "network", path: "/run/netns/x" }, { type: "user" }],
        uidMappings: [{ containerID: 0, hostID: 1000, size: 100 }],
        gidMappings: [{ containerID: 0, hostID: 2000, size: 100 }],
        devices: [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o600, uid: 1, gid: 2 }],
        rootfsPropagation: "rprivate",
        maskedPaths: ["/proc/kcore"],
        readonlyPaths: ["/proc/sys"],
      },
    };
    const { process, linux } = document;
    const message = Spec.fromPartial({
      Version: document.ociVersion,
      Process: {
        Terminal: true,
        ConsoleSize: { Height: 24, Width: 80 },
        User: { UID: 7, GID: 8, AdditionalGids: [9] },
        Args: process.args,
        Env: process.env,
        Cwd: process.cwd,
        Capabilities: { Bounding: ["CAP_KILL"], Permitted: ["CAP_KILL"] },
        Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 1024n, Hard: 0xffff_ffff_ffff_ffffn }],
        NoNewPrivileges: true,
        OOMScoreAdj: -5n,
      },
      Root: { Path: "/run/rootfs", Readonly: true },
      Hostname: "box",
      Annotations: new Map([["what", "for"]]),
      Hooks: {
        CreateContainer: [{ Path: "/bin/one", Args: ["one", "1"], Env: ["A=b"], Timeout: 5n }],
        StartContainer: [{ Path: "/bin/two" }],
      },
      Mounts: document.mounts,
      Linux: {
        Sysctl: new Map(Object.entries(linux.sysctl)),
        Resources: {
          Devices: [{ Allow: true, Type: "c", Major: 10n, Minor: 229n, Access: "rw" }],
          Memory: { Limit: 1048576n, Reservation: 4096n, Swap: 2097152n, DisableOOMKiller: true },
          CPU: { Shares: 512n, Quota: 5000n, Period: 10000n, Cpus: "0-1", Mems: "0", RealtimePeriod: 7n },
          Pids: { Limit: 10n },
          BlockIO: {
            Weight: 100,
            WeightDevice: [{ Major: 8n, Minor: 0n, Weight: 200 }],
            ThrottleReadBpsDevice: [{ Major: 8n, Minor: 0n, Rate: 1000n }],
            ThrottleWriteIOPSDevice: [{ Major: 8n, Minor: 16n, Rate: 2000n }],
          },
          HugepageLimits: [{ Pagesize: "2MB", Limit: 4194304n }],
          Network: { ClassID: 3 },
        },
        CgroupsPath: linux.cgroupsPath,
        Namespaces: [{ Type: "uts" }, { Type: "network", Path: "/run/netns/x" }, { Type: "user" }],
        UIDMappings: [{ ContainerID: 0, HostID: 1000, Size: 100 }],
        GIDMappings: [{ ContainerID: 0, HostID: 2000, Size: 100 }],
        Devices: [{ Path: "/dev/fuse", Type: "c", Major: 10n, Minor: 229n, FileMode: 0o600, UID: 1, GID: 2 }],
        RootfsPropagation: "rprivate",
        MaskedPaths: linux.maskedPaths,
        ReadonlyPaths: linux.readonlyPaths,
      },
    });
    const arrived = Spec.decode(Spec.encode(message).finish());
    assert.deepEqual(read(specDocument(arrived)), read(document));
  });

  it("may have id maps with unmapped ids", () => {
    const message = Spec.fromPartial({
      Process: { Args: ["sh"], Cwd: "/" },
      Root: { Path: "/run/rootfs" },
      Linux: { UIDMappings: [{ ContainerID: 0, HostID: 1000, Size: 1 }] },
    });
    assert.equal(read(specDocument(message)).namespaces.user, undefined);
  });

  it("is refused like JSON if a part is missing", () => {
    const message = Spec.fromPartial({ Process: Process.fromPartial({ Args: ["x"] }), Root: { Path: "/r" } });
    assert.throws(() => read(specDocument(message)), refused(/^process\.cwd is missing/));
  });
});
