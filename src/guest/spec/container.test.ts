import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isKumiteError } from "../../util/errors.ts";
import { type Document, minimal, read, refused } from "./container.testing.ts";
import { gidOutside, mapText, rootOutside, uidOutside } from "./ids-outside.ts";
import { namespaceFlag } from "./namespace-flags.ts";

/** The namespaces that every container has of its own. */
const always = namespaceFlag.mount | namespaceFlag.cgroup;

describe("an OCI configuration", () => {
  it("needs few keys, and the others have runc's defaults", () => {
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
    assert.throws(() => read(minimal({}, { args: ["a", 1] })), refused(/^process\.args\[1\] must be a string/));
    assert.throws(() => read(minimal({}, { args: ["a\0b"] })), refused(/^process\.args\[0\] must not contain a NUL/));
    assert.throws(() => read(minimal({}, { cwd: "tmp" })), refused(/^process\.cwd must be an absolute path/));
    assert.throws(() => read(minimal({}, { env: ["A"] })), refused(/^process\.env\[0\] must be NAME=value/));
    assert.throws(() => read(minimal({}, { user: { uid: -1 } })), refused(/^process\.user\.uid must be from 0/));
    for (const user of [{ uid: 4294967295 }, { gid: 4294967295 }, { additionalGids: [4294967295] }])
      assert.throws(() => read(minimal({}, { user })), refused(/^process\.user\..* must be from 0 to 4294967294/));
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
    assert.throws(() => read(minimal({}, { rlimits: [again, again] })), refused(/is a second entry for/));
  });

  it("may contain null for what is not set, as many programs write it", () => {
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

  it("is not confused by property names that every object has", () => {
    const limit = { type: "constructor", soft: 1, hard: 1 };
    assert.throws(() => read(minimal({}, { rlimits: [limit] })), refused(/is not a resource limit/));
    assert.throws(
      () => read(minimal({ linux: { namespaces: [{ type: "toString" }] } })),
      refused(/is not a namespace type/),
    );
  });

  it("can be any JSON without another kind of failure", () => {
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

  it("are created without a path and joined with one", () => {
    const plan = read(linux({ type: "pid" }, { type: "mount" }, { type: "ipc", path: "/proc/1/ns/ipc" }));
    assert.equal(plan.namespaces.create, always | namespaceFlag.pid);
    assert.deepEqual(plan.namespaces.join, [{ name: "ipc", flag: namespaceFlag.ipc, path: "/proc/1/ns/ipc" }]);
  });

  it("for cgroups are always the container's own, or another container's", () => {
    const plan = read(linux({ type: "cgroup", path: "/proc/1/ns/cgroup" }));
    assert.equal(plan.namespaces.create, namespaceFlag.mount);
    assert.equal(read(linux({ type: "cgroup" })).namespaces.create, always);
  });

  it("for ipc and uts are the sandbox's on request", () => {
    const { namespaces } = read(linux({ type: "ipc" }, { type: "uts" }));
    assert.equal(namespaces.create, always);
    assert.equal(namespaces.shared, namespaceFlag.ipc | namespaceFlag.uts);
  });

  it("for users need id maps with unique ids outside", () => {
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
      refused(/linux\.gidMappings must map id 0/),
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

  it("are refused if they are duplicate, unknown or not supported", () => {
    assert.throws(() => read(linux({ type: "pid" }, { type: "pid" })), refused(/is a second entry for pid/));
    assert.throws(() => read(linux({ type: "disk" })), refused(/is not a namespace type/));
    assert.throws(() => read(linux({ type: "user", path: "/x" })), refused(/join a user namespace/, "oci/unsupported"));
    assert.throws(
      () => read(linux({ type: "mount", path: "/x" })),
      refused(/join a mount namespace/, "oci/unsupported"),
    );
  });
});

describe("kernel parameters of a container", () => {
  const sysctl = (pairs: Document, ...types: string[]) =>
    read(minimal({ linux: { sysctl: pairs, namespaces: types.map((type) => ({ type })) } })).sysctl;

  it("are paths below /proc/sys in either notation", () => {
    assert.deepEqual(sysctl({ "net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "1" }), [
      ["net/ipv4/ip_forward", "1"],
      ["net/ipv4/conf/eth0.1/forwarding", "1"],
    ]);
  });

  it("are refused if they are not the container's own", () => {
    assert.throws(() => sysctl({ "kernel.panic": "1" }), refused(/does not belong to a namespace/));
    assert.throws(() => sysctl({ "kernel.hostname": "x" }, "uts"), refused(/conflicts with hostname/));
    assert.throws(() => sysctl({ "kernel.shmmax": "1" }), refused(/needs an ipc namespace/));
    assert.equal(sysctl({ "kernel.shmmax": "1" }, "ipc").length, 1);
    assert.throws(() => sysctl({ "fs.mqueue.msg_max": "1" }, "uts"), refused(/needs an ipc namespace/));
    assert.throws(() => sysctl({ "kernel.domainname": "x" }, "ipc"), refused(/needs a uts namespace/));
    for (const name of ["vm.swappiness", "kernel.core_pattern", "fs.file-max", "kernel.sysrq"]) {
      assert.throws(
        () => sysctl({ [name]: "1" }, "uts", "ipc", "network"),
        refused(/does not belong to a namespace/),
        name,
      );
    }
    assert.throws(() => sysctl({ "net/../kernel/panic": "1" }), refused(/not the name of a kernel parameter/));
  });
});
