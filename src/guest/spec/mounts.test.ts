import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Document, minimal, read, refused } from "./container.testing.ts";

describe("mounts", () => {
  const one = (mount: Document) => read(minimal({ mounts: [mount] })).mounts[0];

  it("are binds by option or by type, and otherwise new file systems", () => {
    assert.equal(one({ destination: "/a", type: "none", source: "/b", options: ["rbind"] })?.kind, "bind");
    assert.equal(one({ destination: "/a", type: "bind", source: "/b" })?.kind, "bind");
    const mount = one({ destination: "/a", type: "tmpfs", options: ["size=1m"] });
    assert.ok(mount?.kind === "new" && mount.source === "tmpfs");
    const cgroup = one({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] });
    assert.ok(cgroup?.kind === "new" && cgroup.fstype === "cgroup2");
  });

  it("are refused without a type, with a relative source, onto the root, and with unsupported options", () => {
    assert.throws(() => one({ destination: "/a" }), refused(/^mounts\[0\]\.type is missing/));
    assert.throws(() => one({ destination: "/a", type: "bind", source: "b" }), refused(/^mounts\[0\]\.source must be/));
    assert.throws(() => one({ destination: "/x/..", type: "tmpfs" }), refused(/must lie below the root/));
  });

  it("are never id-mapped, however that is requested", () => {
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

  it("that change an earlier one have parameters for its file system, unless they are binds", () => {
    const remount = (...options: string[]) => one({ destination: "/a", options: ["remount", ...options] });
    const parametersOf = (mount: ReturnType<typeof one>) => (mount?.kind === "remount" ? mount.parameters : undefined);
    assert.deepEqual(parametersOf(remount("size=1m", "sync", "ro")), [
      { key: "size", value: "1m" },
      { key: "sync", value: undefined },
    ]);
    assert.deepEqual(parametersOf(remount("bind", "ro", "sync")), []);
  });

  it("have destinations below the root, even if they are relative", () => {
    assert.equal(one({ destination: "a/../b", type: "tmpfs" })?.destination, "/b");
    assert.throws(() => one({ destination: ".", type: "tmpfs" }), refused(/must lie below the root/));
  });

  it("say which of their options are not applied", () => {
    const words = (mount: Document) => read(minimal({ mounts: [mount] })).notApplied;
    const bind = { destination: "/a", source: "/b", options: ["bind", "ro", "z", "mode=700", "sync"] };
    assert.deepEqual(words(bind), ["mount option z on /a", "mount option mode on /a"]);
    const again = { destination: "/a", options: ["bind", "remount", "size=1m"] };
    assert.deepEqual(words(again), ["mount option size on /a"]);
    const copied = one({ destination: "/run", type: "tmpfs", options: ["tmpcopyup"] });
    assert.ok(copied?.kind === "new" && copied.copyUp);
    const plan = read(minimal({ mounts: [{ destination: "/a", source: "/b", options: ["bind", "tmpcopyup"] }] }));
    assert.deepEqual(plan.notApplied, ["mount option tmpcopyup on /a"]);
  });
});
