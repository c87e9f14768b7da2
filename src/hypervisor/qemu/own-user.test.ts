import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import type { FileStatus, MountEntry, Os, TreeEntry } from "../../sys/os.ts";
import type { VmSpec } from "../spec.ts";
import type { MachineFiles } from "./machine-files.ts";
import { capabilitiesOfQemu, type QemuUser, userOfQemu } from "./own-user.ts";

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
  /** Type of the file system mounted at `/`. */
  readonly root?: string;
  /** The real path of QEMU. */
  readonly program?: string;
}

function hostWith({ modes: changed = {}, group = 0, map = everybody, root = "ext4", program }: Host): Os {
  const known: Record<string, number> = { ...modes, ...changed };
  const os = testOs();
  const status = async (path: string): Promise<FileStatus | undefined> => {
    const mode = known[path];
    return mode === undefined ? undefined : ({ mode, uid: 0, gid: group } as FileStatus);
  };
  const files: Os["files"] = {
    ...os.files,
    status,
    linkStatus: async (path) => (path === "/lib64" ? ({ kind: "symlink" } as FileStatus) : undefined),
    readLink: async () => "usr/lib64",
    realPath: async (path) => (path === "/bin/qemu" ? (program ?? path) : path),
    readText: async () => map,
  };
  const table = async (): Promise<MountEntry[]> => [{ target: "/", type: root } as MountEntry];
  return { ...os, files, mounts: { ...os.mounts, table } };
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
  it("runs as a user of its own if everybody may read what it opens", async () => {
    assert.deepEqual(await user({}), { kind: "own", group: 0 });
  });

  it("stays root if such a user could not run it, and says why", async () => {
    await stays(/\/proc\/self\/uid_map has no unused ids/, { map: "0 100000 65536\n" });
    await stays(/^other users cannot enter \/bin$/, { modes: { "/bin": 0o700 } });
    await stays(/^other users cannot enter \/bin\/qemu$/, { modes: { "/bin/qemu": 0o750 } });
    await stays(/^other users have no access to \/k$/, { modes: { "/k": 0o600 } });
    await stays(/^other users have no access to \/i$/, { modes: { "/i": 0o640 } });
    const memoryBacking = { kind: "file", path: "/m", shared: false } as const;
    await stays(/^other users have no access to \/m$/, { modes: { "/m": 0o644 } }, { memoryBacking });
    assert.equal((await user({ modes: { "/m": 0o777 } }, { memoryBacking })).kind, "own");
  });

  const by9p = (path: string, readOnly = false) => [{ tag: "t", path, by: "9p", readOnly } as const];
  const program = "/usr/bin/qemu";
  const below = { program, modes: { "/usr": 0o755, "/usr/bin": 0o755, [program]: 0o755 } };

  it("that serves by 9p sees only what it serves and its program", async () => {
    const found = await user(below, { sharedDirectories: by9p("/run/view") });
    const entries: TreeEntry[] = [
      { kind: "directory", path: "/usr", readOnly: true },
      { kind: "link", path: "/lib64", target: "usr/lib64" },
      { kind: "proc", path: "/proc" },
      { kind: "directory", path: "/run/view", readOnly: false },
    ];
    assert.deepEqual(found, { kind: "own", group: 0, tree: { over: "/vm", entries } });
    const memoryBacking = { kind: "file", path: "/m", shared: false } as const;
    const more = { sharedDirectories: by9p("/run/view", true), memoryBacking };
    const host = { ...below, modes: { ...below.modes, "/m": 0o777, "/dev/kvm": 0o666 } };
    const other = await userOfQemu(
      hostWith(host),
      { path: "/bin/qemu", virtioFsDaemons: [], accelerator: "auto" },
      { ...spec, ...more },
      { ...files, memoryIsDirectory: true },
      "kvm",
    );
    assert.deepEqual(other.kind === "own" && other.tree?.entries.slice(3), [
      { kind: "device", path: "/dev/kvm", readOnly: false },
      { kind: "directory", path: "/run/view", readOnly: true },
      { kind: "directory", path: "/m", readOnly: false },
    ]);
  });

  it("that serves by 9p stays root if it cannot have its own file tree, and says why", async () => {
    const serving = { sharedDirectories: by9p("/s") };
    await stays(/9p.*\/bin\/qemu is not below \/usr/, {}, serving);
    await stays(/9p.*user namespace/, { ...below, map: "0 0 4000000000\n" }, serving);
    await stays(/9p.*root file system cannot be replaced/, { ...below, root: "rootfs" }, serving);
    await stays(/9p.*\/vm\/shared would be hidden/, below, { sharedDirectories: by9p("/vm/shared") });
  });

  it("has the capabilities that its work requires, and no others", () => {
    assert.deepEqual(capabilitiesOfQemu(spec), []);
    assert.deepEqual(capabilitiesOfQemu({ ...spec, memoryLocked: true }), [14]);
    assert.deepEqual(capabilitiesOfQemu({ ...spec, sharedDirectories: by9p("/s", true) }), [1]);
    assert.deepEqual(capabilitiesOfQemu({ ...spec, sharedDirectories: by9p("/s") }), [1, 0, 3, 4]);
  });

  it("does not read the boot files when it starts from a saved state", async () => {
    const restored = { restoreFrom: "/state" };
    assert.equal((await user({ modes: { "/k": 0o600 } }, restored)).kind, "own");
  });

  it("is in the group that may use KVM, unless that is root's", async () => {
    const kvm = (mode: number, group: number) => user({ modes: { "/dev/kvm": mode }, group }, {}, true);
    assert.deepEqual(await kvm(0o666, 0), { kind: "own", group: 0 });
    assert.deepEqual(await kvm(0o660, 107), { kind: "own", group: 107 });
    assert.equal((await kvm(0o660, 0)).kind, "root");
    assert.equal((await kvm(0o600, 107)).kind, "root");
  });
});
