import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Process, Spec } from "../../protocol/gen/kata/oci.ts";
import { isKumiteError } from "../../util/errors.ts";
import { capabilityNumber } from "./capabilities.ts";
import { readContainer } from "./container.ts";
import { specDocument } from "./from-messages.ts";
import { gidOutside, mapText, rootOutside, uidOutside } from "./id-mappings.ts";
import { namespaceFlag } from "./namespaces.ts";

type Document = Record<string, unknown>;

const minimal = (changes: Document = {}, process: Document = {}): Document => ({
  ociVersion: "1.0.2",
  process: { args: ["sh"], cwd: "/", ...process },
  root: { path: "/run/rootfs" },
  ...changes,
});
const read = (document: unknown) => readContainer(document, "web");
const refused = (message: RegExp, code: "oci/spec-invalid" | "oci/unsupported" = "oci/spec-invalid") => {
  return (error: unknown) => {
    assert.ok(isKumiteError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  };
};

/** What a container has of its own whether it asks or not. */
const always = namespaceFlag.mount | namespaceFlag.cgroup;

describe("an OCI configuration", () => {
  it("needs little, and what is not said has the defaults of runc", () => {
    const plan = read(minimal());
    assert.deepEqual(plan.namespaces, { create: always, join: [], shared: 0, user: undefined, timeOffsets: [] });
    assert.deepEqual(plan.process.user, { uid: 0, gid: 0, additionalGids: [], umask: 0o022 });
    assert.equal(plan.process.capabilities.bounding, 0n);
    assert.equal(plan.process.terminal, undefined);
    assert.equal(plan.cgroup.path, "/kumite/web");
    assert.equal(plan.devices.length, 6);
    assert.deepEqual(plan.notApplied, []);
  });

  it("is refused with the key that is wrong", () => {
    assert.throws(() => read([]), refused(/^the document must be an object/));
    assert.throws(() => read({}), refused(/^process is missing/));
    assert.throws(() => read(minimal({}, { args: [] })), refused(/^process\.args must name a program/));
    assert.throws(() => read(minimal({}, { args: ["a", 1] })), refused(/^process\.args\[1\] must be a text/));
    assert.throws(() => read(minimal({}, { args: ["a\0b"] })), refused(/^process\.args\[0\] must not contain a NUL/));
    assert.throws(() => read(minimal({}, { cwd: "tmp" })), refused(/^process\.cwd must be an absolute path/));
    assert.throws(() => read(minimal({}, { env: ["A"] })), refused(/^process\.env\[0\] must be NAME=value/));
    assert.throws(() => read(minimal({}, { user: { uid: -1 } })), refused(/^process\.user\.uid must be from 0/));
    assert.throws(() => read(minimal({}, { oomScoreAdj: 2000 })), refused(/^process\.oomScoreAdj must be from/));
    assert.throws(() => read(minimal({ root: { path: "rootfs" } })), refused(/^root\.path must be an absolute path/));
    assert.throws(() => read(minimal({ root: { path: "/x/.." } })), refused(/^root\.path must not be the guest's/));
    assert.throws(() => read(minimal({ hostname: "box" })), refused(/^hostname needs a uts namespace/));
    const limit = { type: "RLIMIT_NOFILE", soft: 2, hard: 1 };
    assert.throws(
      () => read(minimal({}, { rlimits: [limit] })),
      refused(/^process\.rlimits\[0\] has a soft limit above/),
    );
    const again = { type: "RLIMIT_NOFILE", soft: 1, hard: 1 };
    assert.throws(() => read(minimal({}, { rlimits: [again, again] })), refused(/a second time/));
  });

  it("takes null as not given, as many writers mean it", () => {
    assert.deepEqual(
      read(minimal({ mounts: null, linux: null, hooks: null }, { env: null, capabilities: null })).mounts,
      [],
    );
  });

  it("says which of its parts have no effect", () => {
    const linux = { intelRdt: {}, netDevices: { eth0: {} }, memoryPolicy: { mode: "MPOL_BIND" }, mountLabel: "x" };
    const process = { apparmorProfile: "y", selinuxLabel: "z" };
    assert.deepEqual(read(minimal({ linux }, process)).notApplied, [
      "linux.intelRdt",
      "linux.netDevices",
      "linux.memoryPolicy",
      "linux.mountLabel",
      "process.apparmorProfile",
      "process.selinuxLabel",
    ]);
  });

  it("never finds what every object has", () => {
    const limit = { type: "constructor", soft: 1, hard: 1 };
    assert.throws(() => read(minimal({}, { rlimits: [limit] })), refused(/names no resource limit/));
    assert.throws(
      () => read(minimal({ linux: { namespaces: [{ type: "toString" }] } })),
      refused(/names no namespace/),
    );
  });

  it("reads any JSON without another kind of failure", () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (one, two) => {
        for (const document of [JSON.parse(one), minimal({ linux: JSON.parse(one), mounts: JSON.parse(two) })]) {
          try {
            read(document);
          } catch (error) {
            assert.ok(isKumiteError(error, "oci/spec-invalid", "oci/unsupported"), String(error));
          }
        }
      }),
    );
  });
});

describe("namespaces", () => {
  const linux = (...namespaces: Document[]) => minimal({ linux: { namespaces } });

  it("are made without a path and joined with one", () => {
    const plan = read(linux({ type: "pid" }, { type: "mount" }, { type: "ipc", path: "/proc/1/ns/ipc" }));
    assert.equal(plan.namespaces.create, always | namespaceFlag.pid);
    assert.deepEqual(plan.namespaces.join, [{ name: "ipc", flag: namespaceFlag.ipc, path: "/proc/1/ns/ipc" }]);
  });

  it("of cgroups are always the container's own, or another's", () => {
    const plan = read(linux({ type: "cgroup", path: "/proc/1/ns/cgroup" }));
    assert.equal(plan.namespaces.create, namespaceFlag.mount);
    assert.equal(read(linux({ type: "cgroup" })).namespaces.create, always);
  });

  it("of ipc and uts are the sandbox's when they are asked for", () => {
    const { namespaces } = read(linux({ type: "ipc" }, { type: "uts" }));
    assert.equal(namespaces.create, always);
    assert.equal(namespaces.shared, namespaceFlag.ipc | namespaceFlag.uts);
  });

  it("of users need maps of ids, in which each id has its place outside", () => {
    const mappings = [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100_000, size: 65_535 },
    ];
    const mapped = minimal({ linux: { namespaces: [{ type: "user" }], uidMappings: mappings, gidMappings: mappings } });
    const { user } = read(mapped).namespaces;
    assert.deepEqual(user && rootOutside(user), { uid: 1000, gid: 1000 });
    assert.deepEqual([uidOutside(user, 5), gidOutside(user, 65_535)], [100_004, 165_534]);
    assert.equal(uidOutside(user, 65_536), 1000, "nobody's id is root's");
    assert.equal(user && mapText(user.uids), "0 1000 1\n1 100000 65535\n");
    assert.equal(mapText(read(linux({ type: "user" })).namespaces.user?.gids ?? []), "0 0 4294967295\n");
    assert.throws(
      () => read(minimal({ linux: { namespaces: [{ type: "user" }], uidMappings: mappings } })),
      refused(/linux\.gidMappings must map the id 0/),
    );
    assert.throws(
      () => read(minimal({ linux: { uidMappings: mappings } })),
      refused(/linux\.uidMappings needs a new user namespace/),
    );
    const none = [{ containerID: 0, hostID: 0, size: 0 }];
    assert.throws(
      () => read(minimal({ linux: { namespaces: [{ type: "user" }], uidMappings: none, gidMappings: none } })),
      refused(/linux\.uidMappings\[0\]\.size/),
    );
  });

  it("are refused twice, by unknown name, and for what is not supported", () => {
    assert.throws(() => read(linux({ type: "pid" }, { type: "pid" })), refused(/gives pid a second time/));
    assert.throws(() => read(linux({ type: "disk" })), refused(/names no namespace/));
    assert.throws(() => read(linux({ type: "user", path: "/x" })), refused(/join a user namespace/, "oci/unsupported"));
    assert.throws(
      () => read(linux({ type: "mount", path: "/x" })),
      refused(/join a mount namespace/, "oci/unsupported"),
    );
  });
});

describe("mounts", () => {
  const one = (mount: Document) => read(minimal({ mounts: [mount] })).mounts[0];

  it("are binds by option or by type, and else new file systems", () => {
    assert.equal(one({ destination: "/a", type: "none", source: "/b", options: ["rbind"] })?.kind, "bind");
    assert.equal(one({ destination: "/a", type: "bind", source: "/b" })?.kind, "bind");
    const mount = one({ destination: "/a", type: "tmpfs", options: ["size=1m"] });
    assert.ok(mount?.kind === "new" && mount.source === "tmpfs");
    const cgroup = one({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] });
    assert.ok(cgroup?.kind === "new" && cgroup.fstype === "cgroup2");
  });

  it("are refused without a type, with a relative source, onto the root and with what is not supported", () => {
    assert.throws(() => one({ destination: "/a" }), refused(/^mounts\[0\]\.type is missing/));
    assert.throws(() => one({ destination: "/a", type: "bind", source: "b" }), refused(/^mounts\[0\]\.source must be/));
    assert.throws(() => one({ destination: "/x/..", type: "tmpfs" }), refused(/must lie below the root/));
    assert.throws(
      () => one({ destination: "/a", source: "/b", options: ["bind", "foo=1"] }),
      refused(/unknown word: "foo"/),
    );
    assert.throws(
      () => one({ destination: "/a", options: ["bind", "remount", "size=1m"] }),
      refused(/unknown word: "size"/),
    );
  });

  it("are never mapped to other ids, in whichever way that is asked for", () => {
    const mapping = [{ containerID: 0, hostID: 1000, size: 1 }];
    const asked: readonly (readonly [Document, RegExp])[] = [
      [{ options: ["bind", "idmap"] }, /^mounts\[0\]\.options asks for an id-mapped mount, which is not supported$/],
      [{ options: ["rbind", "ridmap=uids=0-1000-1"] }, /^mounts\[0\]\.options asks for an id-mapped mount/],
      [{ options: ["bind"], uidMappings: mapping }, /^mounts\[0\] asks for an id-mapped mount/],
      [{ options: ["bind"], gidMappings: mapping }, /^mounts\[0\] asks for an id-mapped mount/],
    ];
    for (const [mount, message] of asked) {
      assert.throws(() => one({ destination: "/a", source: "/b", ...mount }), refused(message, "oci/unsupported"));
    }
  });

  it("that change an earlier one have parameters for its file system, if they are no binds", () => {
    const remount = (...options: string[]) => one({ destination: "/a", options: ["remount", ...options] });
    const parametersOf = (mount: ReturnType<typeof one>) => (mount?.kind === "remount" ? mount.parameters : undefined);
    assert.deepEqual(parametersOf(remount("size=1m", "sync", "ro")), [
      { key: "size", value: "1m" },
      { key: "sync", value: undefined },
    ]);
    assert.deepEqual(parametersOf(remount("bind", "ro", "sync")), []);
  });

  it("have destinations below the root, also when they are relative", () => {
    assert.equal(one({ destination: "a/../b", type: "tmpfs" })?.destination, "/b");
    assert.throws(() => one({ destination: ".", type: "tmpfs" }), refused(/must lie below the root/));
  });

  it("say which of their options is not applied", () => {
    const copied = one({ destination: "/run", type: "tmpfs", options: ["tmpcopyup"] });
    assert.ok(copied?.kind === "new" && copied.copyUp);
    const plan = read(minimal({ mounts: [{ destination: "/a", source: "/b", options: ["bind", "tmpcopyup"] }] }));
    assert.deepEqual(plan.notApplied, ["mount option tmpcopyup on /a"]);
  });
});

describe("a process", () => {
  it("has the capabilities it names, and an unknown one grants nothing", () => {
    const capabilities = { bounding: ["CAP_KILL", "cap_chown", "CAP_FUTURE"], effective: ["CAP_KILL"] };
    const plan = read(minimal({}, { capabilities }));
    assert.equal(plan.process.capabilities.bounding, (1n << BigInt(capabilityNumber("CAP_KILL"))) | 1n);
    assert.equal(plan.process.capabilities.effective, 1n << 5n);
    assert.equal(plan.process.capabilities.permitted, 0n);
    assert.equal(plan.notApplied[0], 'unknown capability "CAP_FUTURE"');
  });

  it("has no capability that the kernel could not give it, and that is told", () => {
    const kill = ["CAP_KILL"];
    const noted = (capabilities: Document) => read(minimal({}, { capabilities })).notApplied;
    assert.deepEqual(noted({ effective: ["CAP_KILL", "CAP_CHOWN"], permitted: kill }), [
      "process.capabilities.effective of what is not permitted too: CAP_CHOWN",
    ]);
    assert.deepEqual(noted({ permitted: kill, ambient: ["CAP_KILL", "CAP_CHOWN"] }), [
      "process.capabilities.ambient of what is not permitted and inheritable too: CAP_CHOWN, CAP_KILL",
    ]);
    assert.deepEqual(noted({ effective: kill, permitted: kill, inheritable: kill, ambient: kill }), []);
  });

  it("has its priorities by the kernel's numbers, and is refused for what is none", () => {
    const process = (fields: Document) => read(minimal({}, fields)).process;
    const deadline = { policy: "SCHED_DEADLINE", flags: ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_RESET_ON_FORK"] };
    assert.deepEqual(process({ scheduler: { ...deadline, runtime: 5, deadline: 6, period: 7 } }).scheduler, {
      policy: 6,
      flags: 3,
      nice: 0,
      priority: 0,
      runtimeNs: 5n,
      deadlineNs: 6n,
      periodNs: 7n,
    });
    assert.deepEqual(process({ ioPriority: { class: "IOPRIO_CLASS_RT" } }).ioPriority, { class: 1, level: 0 });
    assert.deepEqual(process({ execCPUAffinity: { initial: "7", final: "0-2, 5" } }).affinity, [0, 1, 2, 5]);
    assert.equal(process({ execCPUAffinity: { initial: "7" } }).affinity, undefined);
    const wrong: readonly (readonly [Document, RegExp])[] = [
      [{ scheduler: { policy: "FIFO" } }, /^process\.scheduler\.policy must be one of SCHED_OTHER, .*, not "FIFO"/],
      [{ scheduler: { policy: "SCHED_RR", flags: ["RR"] } }, /^process\.scheduler\.flags\[0\] must be one of/],
      [{ scheduler: { policy: "SCHED_OTHER", nice: 20 } }, /^process\.scheduler\.nice must be from -20 to 19/],
      [{ ioPriority: { class: "IDLE" } }, /^process\.ioPriority\.class must be one of/],
      [{ ioPriority: { class: "IOPRIO_CLASS_BE", priority: 8 } }, /^process\.ioPriority\.priority must be from 0 to 7/],
      [{ execCPUAffinity: { initial: "x" } }, /^process\.execCPUAffinity\.initial is no list of processors .*: "x"/],
      [{ execCPUAffinity: { final: "0-1024" } }, /^process\.execCPUAffinity\.final is no list of processors/],
    ];
    for (const [fields, message] of wrong) assert.throws(() => process(fields), refused(message));
  });

  it("owns its container's cgroup, if that is mounted for it to write to", () => {
    const cgroup = (...options: string[]) => ({ destination: "/sys/fs/cgroup", type: "cgroup", options });
    const owner = (mounts: Document[], linux: Document = {}, uid = 7) =>
      read(minimal({ mounts, linux }, { user: { uid, gid: 0 } })).cgroup.owner;
    assert.equal(owner([cgroup("rw", "nosuid")]), 7);
    assert.equal(owner([cgroup("rw")], {}, 0), undefined);
    for (const words of [["ro"], ["rro"]]) assert.equal(owner([cgroup(...words)]), undefined);
    assert.equal(owner([]), undefined);
    const mappings = [{ containerID: 0, hostID: 1000, size: 10 }];
    const mapped = { namespaces: [{ type: "user" }], uidMappings: mappings, gidMappings: mappings };
    assert.deepEqual([owner([cgroup()], mapped), owner([cgroup()], mapped, 0)], [1007, 1000]);
    const joined = { namespaces: [{ type: "cgroup", path: "/proc/1/ns/cgroup" }] };
    assert.equal(owner([cgroup()], joined), undefined);
  });

  it("has limits up to the largest number, which JSON's numbers round", () => {
    const limit = { type: "RLIMIT_CORE", soft: 0, hard: JSON.parse("18446744073709551615") };
    const [rlimit] = read(minimal({}, { rlimits: [limit] })).process.rlimits;
    assert.deepEqual(rlimit, { name: "RLIMIT_CORE", resource: 4, soft: 0n, hard: 0xffff_ffff_ffff_ffffn });
  });
});

describe("kernel parameters of a container", () => {
  const sysctl = (pairs: Document, ...types: string[]) =>
    read(minimal({ linux: { sysctl: pairs, namespaces: types.map((type) => ({ type })) } })).sysctl;

  it("are paths below /proc/sys in either way of writing", () => {
    assert.deepEqual(sysctl({ "net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "1" }), [
      ["net/ipv4/ip_forward", "1"],
      ["net/ipv4/conf/eth0.1/forwarding", "1"],
    ]);
  });

  it("are refused when they are not the container's own", () => {
    assert.throws(() => sysctl({ "kernel.panic": "1" }), refused(/not kept per container/));
    assert.throws(() => sysctl({ "kernel.hostname": "x" }, "uts"), refused(/conflicts with hostname/));
    assert.throws(() => sysctl({ "kernel.shmmax": "1" }), refused(/needs an ipc namespace/));
    assert.equal(sysctl({ "kernel.shmmax": "1" }, "ipc").length, 1);
    assert.throws(() => sysctl({ "fs.mqueue.msg_max": "1" }, "uts"), refused(/needs an ipc namespace/));
    assert.throws(() => sysctl({ "kernel.domainname": "x" }, "ipc"), refused(/needs a uts namespace/));
    for (const name of ["vm.swappiness", "kernel.core_pattern", "fs.file-max", "kernel.sysrq"]) {
      assert.throws(() => sysctl({ [name]: "1" }, "uts", "ipc", "network"), refused(/is not kept per container/), name);
    }
    assert.throws(() => sysctl({ "net/../kernel/panic": "1" }), refused(/no name of a kernel parameter/));
  });
});

describe("a configuration that came as messages", () => {
  it("reads the same as its JSON", () => {
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

  it("may have maps of ids that are nobody's", () => {
    const message = Spec.fromPartial({
      Process: { Args: ["sh"], Cwd: "/" },
      Root: { Path: "/run/rootfs" },
      Linux: { UIDMappings: [{ ContainerID: 0, HostID: 1000, Size: 1 }] },
    });
    assert.equal(read(specDocument(message)).namespaces.user, undefined);
  });

  it("is refused like JSON when a part is missing", () => {
    const message = Spec.fromPartial({ Process: Process.fromPartial({ Args: ["x"] }), Root: { Path: "/r" } });
    assert.throws(() => read(specDocument(message)), refused(/^process\.cwd is missing/));
  });
});
