import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import type { FileStatus, Os } from "../../sys/os.ts";
import type { VmSpec } from "../spec.ts";
import type { MachineFiles } from "./machine-files.ts";
import { type QemuUser, userOfQemu } from "./own-user.ts";

const spec: VmSpec = {
  id: "a",
  directory: "/vm",
  vcpus: 1,
  memoryMiB: 256,
  guest: { kernel: "/k", initrd: "/i", agent: "/agent" },
  kernelParameters: [],
  sharedDirectories: [],
  cgroups: [],
};
const files: MachineFiles = {
  qemu: "/bin/qemu",
  kernel: "/k",
  initrd: "/i",
  daemon: "",
  memoryIsDirectory: false,
  images: new Map(),
};
const modes = { "/bin": 0o755, "/bin/qemu": 0o755, "/k": 0o644, "/i": 0o644 };
const everybody = "0 0 4294967295\n";

interface Host {
  readonly modes?: Readonly<Record<string, number>>;
  readonly group?: number;
  readonly map?: string;
}

function hostWith({ modes: changed = {}, group = 0, map = everybody }: Host): Os {
  const known: Record<string, number> = { ...modes, ...changed };
  const os = testOs();
  const status = async (path: string): Promise<FileStatus | undefined> => {
    const mode = known[path];
    return mode === undefined ? undefined : ({ mode, uid: 0, gid: group } as FileStatus);
  };
  return { ...os, files: { ...os.files, status, realPath: async (path) => path, readText: async () => map } };
}

async function user(host: Host, changes: Partial<VmSpec> = {}, kvm = false): Promise<QemuUser> {
  return userOfQemu(
    hostWith(host),
    { path: "/bin/qemu", virtioFsDaemons: [], accelerator: "auto" },
    { ...spec, ...changes },
    files,
    kvm ? "kvm" : "tcg",
  );
}

async function stays(about: RegExp, ...args: Parameters<typeof user>): Promise<void> {
  const found = await user(...args);
  assert.match(found.kind === "root" ? found.reason : "it does not", about);
}

describe("QEMU", () => {
  it("runs as a user of its own where everybody may read what it opens anew", async () => {
    assert.deepEqual(await user({}), { kind: "own", group: 0 });
  });

  it("stays root where such a user could not run it, and says why", async () => {
    await stays(/\/proc\/self\/uid_map has no users to spare/, { map: "0 100000 65536\n" });
    await stays(/^\/bin is closed/, { modes: { "/bin": 0o700 } });
    await stays(/^\/bin\/qemu is closed/, { modes: { "/bin/qemu": 0o750 } });
    await stays(/^\/k is closed/, { modes: { "/k": 0o600 } });
    await stays(/^\/i is closed/, { modes: { "/i": 0o640 } });
    await stays(/takes a capability/, {}, { memoryLocked: true });
    await stays(/9p/, {}, { sharedDirectories: [{ tag: "t", path: "/s", by: "9p" }] });
    const memoryBacking = { kind: "file", path: "/m", shared: false } as const;
    await stays(/^\/m is closed/, { modes: { "/m": 0o644 } }, { memoryBacking });
    assert.equal((await user({ modes: { "/m": 0o777 } }, { memoryBacking })).kind, "own");
  });

  it("does not read what a machine that goes on was booted from", async () => {
    const restored = { restoreFrom: "/state" };
    assert.equal((await user({ modes: { "/k": 0o600 } }, restored)).kind, "own");
  });

  it("is of the group that KVM is for, unless that is root's", async () => {
    const kvm = (mode: number, group: number) => user({ modes: { "/dev/kvm": mode }, group }, {}, true);
    assert.deepEqual(await kvm(0o666, 0), { kind: "own", group: 0 });
    assert.deepEqual(await kvm(0o660, 107), { kind: "own", group: 107 });
    assert.equal((await kvm(0o660, 0)).kind, "root");
    assert.equal((await kvm(0o600, 107)).kind, "root");
  });
});
