import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { testInstallRoot, testOs } from "../../../test/support/node-os.ts";
import { resolveConfig } from "../../config/resolve.ts";
import type { Os } from "../../sys/os.ts";
import { SystemError } from "../../util/errors.ts";
import { checkCgroups } from "./cgroups.ts";
import { checkKernel, checkMemory, checkMounts, checkStateDirectory, checkUser } from "./host.ts";
import { checkGuest, checkInstall, checkNode, checkQemu, checkVirtioFs } from "./programs.ts";

describe("a requirement of the host", () => {
  const os = testOs();
  let place: string;
  before(() => {
    place = mkdtempSync(join(tmpdir(), "kumite-check-"));
  });
  after(() => rmSync(place, { recursive: true }));

  /** A host on which some files have other content. */
  function hostWith(texts: Readonly<Record<string, string>>): Os {
    const readText: Os["files"]["readText"] = async (path, limit) => texts[path] ?? os.files.readText(path, limit);
    return { ...os, files: { ...os.files, readText } };
  }

  function configOf(qemu: Readonly<Record<string, unknown>>) {
    return resolveConfig({ hypervisor: { qemu } }, { installRoot: testInstallRoot, hostCpus: 1, hasVsock: false });
  }

  function script(text: string): string {
    const path = join(place, `program-${Math.random()}`);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** An installation in which one file was changed. */
  function installed(root: string): Os {
    return { ...os, self: { ...os.self, executable: join(root, "kumite") } };
  }

  it("is met by this host, on which everything else is tested", async () => {
    const config = configOf({});
    const here = installed(testInstallRoot);
    const findings = [
      await checkUser(os),
      await checkMounts(os),
      await checkKernel(os),
      await checkStateDirectory(os, join(place, "root")),
      await checkCgroups(os),
      await checkInstall(here),
      await checkNode(here),
      await checkQemu(os, config),
      await checkVirtioFs(os, config),
      await checkGuest(os, config),
    ];
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict !== "ok"),
      [],
    );
  });

  it("that is not met is named with what was found and what to do", async () => {
    const old = await checkKernel(hostWith({ "/proc/sys/kernel/osrelease": "4.19.0-27-amd64\n" }));
    assert.deepEqual([old.verdict, old.found], ["missing", "is 4.19.0-27-amd64, older than 5.12"]);
    const user = await checkUser(hostWith({ "/proc/self/status": "Uid:\t1000\t1000\nCapEff:\t0000000000000000\n" }));
    assert.deepEqual([user.verdict, user.found], ["missing", "is required, but kumite runs as uid 1000"]);
    const weak = await checkUser(hostWith({ "/proc/self/status": "Uid:\t0\t0\nCapEff:\t0000000000000003\n" }));
    assert.match(weak.found, /^lacks CAP_FOWNER, .*CAP_SYS_ADMIN, CAP_MKNOD, CAP_SETFCAP$/);
    const full = await checkMemory(hostWith({ "/proc/meminfo": "MemAvailable: 102400 kB\n" }), 2048);
    assert.deepEqual([full.verdict, full.found.slice(0, 22)], ["note", "100 MiB are available,"]);
    const unwritable = await checkStateDirectory(os, "/proc/kumite");
    assert.equal(unwritable.verdict, "missing");
    assert.match(unwritable.found, /\/proc\/kumite/);
    assert.match(unwritable.remedy ?? "", /--root/);
    const open = join(place, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    assert.match((await checkStateDirectory(os, open)).found, /can be written by others \(mode 777\)/);
  });

  it("is a cgroup hierarchy in which groups can be created", async () => {
    const table = await os.mounts.table();
    const without = { ...os, mounts: { ...os.mounts, table: async () => table.filter((m) => !/cgroup/.test(m.type)) } };
    assert.equal((await checkCgroups(without)).verdict, "missing");
    const makeDir = async (path: string): Promise<void> => {
      throw new SystemError("EROFS", "mkdir", path);
    };
    const readOnly = await checkCgroups({ ...os, files: { ...os.files, makeDir } });
    assert.equal(readOnly.verdict, "missing");
    assert.match(readOnly.found, /^no cgroup can be created in \/.*: .*read-only/);
  });

  it("is a QEMU that exists, runs and is new enough", async () => {
    const absent = await checkQemu(os, configOf({ path: "/nowhere/qemu" }));
    assert.deepEqual([absent.verdict, absent.found], ["missing", "there is no file /nowhere/qemu"]);
    const broken = await checkQemu(os, configOf({ path: script("echo no such library >&2; exit 127") }));
    assert.equal(broken.verdict, "missing");
    assert.match(broken.found, /ended with status 127: no such library/);
    const old = await checkQemu(os, configOf({ path: script("echo QEMU emulator version 4.2.1") }));
    assert.equal(old.verdict, "note");
    assert.match(old.found, /^4\.2 .* is older than 7\.2$/);
    const daemon = await checkVirtioFs(os, configOf({ virtio_fs_daemon: "/nowhere/virtiofsd" }));
    assert.deepEqual([daemon.verdict, daemon.found], ["missing", "there is no file /nowhere/virtiofsd"]);
    const silent = await checkVirtioFs(os, configOf({ virtio_fs_daemon: script("echo no libcap-ng >&2; exit 1") }));
    assert.equal(silent.verdict, "missing");
    assert.match(silent.found, /cannot be used: .* ended with status 1: no libcap-ng/);
    const kernel = await checkGuest(os, configOf({ kernel: "/nowhere/vmlinux" }));
    assert.deepEqual([kernel.verdict, kernel.found], ["missing", "there is no file /nowhere/vmlinux"]);
  });

  it("is an installation with exactly the files that were built", async () => {
    const root = join(place, "install");
    mkdirSync(root);
    const hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // SHA-256 of "abc"
    const files = { agent: { sha256: hash, size: 3 }, vmlinux: { sha256: hash, size: 3 } };
    const manifest = { version: "1", commit: "c", node: script("echo v18.0.0"), files };
    writeFileSync(join(root, "install.json"), JSON.stringify(manifest));
    writeFileSync(join(root, "agent"), "abc");
    writeFileSync(join(root, "vmlinux"), "abd");
    const changed = await checkInstall(installed(root));
    assert.deepEqual(
      [changed.verdict, changed.found],
      ["missing", `vmlinux in ${root} differ from what was installed`],
    );
    rmSync(join(root, "vmlinux"));
    assert.equal((await checkInstall(installed(root))).found, `lacks vmlinux in ${root}`);
    const node = await checkNode(installed(root));
    assert.equal(node.verdict, "missing");
    assert.match(node.found, /^18\.0 .* is too old$/);
    rmSync(join(root, "install.json"));
    assert.match((await checkNode(installed(root))).found, /install\.json is missing/);
  });
});
