/**
 * What an attacker gets who has taken QEMU over: the tests make system calls in the real, confined process. Calls that
 * its filter does not allow end QEMU, and with it the VM; the others fail for lack of permission.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { chmod, chown, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { RunningVm } from "../../src/hypervisor/driver.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import type { VmSpec } from "../../src/hypervisor/spec.ts";
import { ownUserOf } from "../../src/util/own-user.ts";
import { signalNumbers } from "../../src/util/signals.ts";
import { succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";
import { testQemu } from "../support/qemu.ts";
import { makeTestDirectory } from "../support/test-directory.ts";

/** Numbers for x86-64. */
const callNumbers = {
  open: 2,
  kill: 62,
  rename: 82,
  chmod: 90,
  fork: 57,
  execve: 59,
  ptrace: 101,
  setuid: 105,
  chroot: 161,
  mount: 165,
  init_module: 175,
  unshare: 272,
  bpf: 321,
  open_tree: 428,
  fsopen: 430,
} as const;
type Call = keyof typeof callNumbers;

const O_WRONLY = 1;
const O_CREAT = 0o100;
const CLONE_NEWNS = 0x20000;
const CLONE_NEWUSER = 0x10000000;
const OPEN_TREE_CLONE = 1;
const AT_FDCWD = -100;
const PTRACE_ATTACH = 16;
const BPF_PROG_LOAD = 5;
const EPERM = -1;
const ENOENT = -2;
const EACCES = -13;
const EROFS = -30;
const ENOSYS = -38;

const titles = {
  "virtio-fs": "a QEMU under an attacker's control",
  "9p": "a QEMU that serves files, under an attacker's control",
} as const;
/** capabilities(7): CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID. */
const rightsOverFiles = (1n << 0n) | (1n << 1n) | (1n << 3n) | (1n << 4n);
/** CAP_IPC_LOCK. */
const mayLockMemory = 1n << 14n;

for (const by of ["virtio-fs", "9p"] as const)
  describe(titles[by], () => {
    /**
     * The result of opening a forbidden file: a QEMU that serves files itself has a file tree of its own, which lacks
     * the file.
     */
    const closed = `result ${by === "9p" ? ENOENT : EACCES}`;
    const os = testOs();
    const driver = qemuDriver(os, {
      ...testQemu,
    });
    const guest = {
      kernel: path.join(testInstallRoot, "vmlinux"),
      initrd: path.join(testInstallRoot, "initrd.img"),
      agent: path.join(testInstallRoot, "agent"),
    };
    let directory: string;

    before(async () => {
      directory = makeTestDirectory("vmm");
      await nativeHelper("inject");
    });
    after(() => rmSync(directory, { recursive: true }));
    guardAgainstLeftOvers(() => ({ directories: [directory] }));

    /** The VM runs, but its guest need not have booted: only QEMU matters here. */
    async function withMachine(
      act: (machine: RunningVm, place: string) => Promise<void>,
      changes: Partial<VmSpec> = {},
    ): Promise<void> {
      const place = mkdtempSync(path.join(directory, "machine-"));
      for (const name of ["vm", "shared"]) mkdirSync(path.join(place, name), { mode: 0o700 });
      const machine = await driver.start(
        {
          id: "taken-over",
          directory: path.join(place, "vm"),
          vcpus: 1,
          memoryMiB: 256,
          guest,
          kernelParameters: [],
          sharedDirectories: [{ tag: "kataShared", path: path.join(place, "shared"), by }],
          cgroups: [],
          ...changes,
        },
        { willMake: async () => {}, made: async () => {}, signal: new AbortController().signal, log: () => {} },
      );
      try {
        await act(machine, place);
      } finally {
        await machine.stop();
        rmSync(place, { recursive: true });
      }
    }

    async function attempt({ pid }: RunningVm, call: Call, ...args: (number | string)[]): Promise<string> {
      const words = args.map((arg) => (typeof arg === "string" ? `=${arg}` : String(arg)));
      const argv = [await nativeHelper("inject"), String(pid), String(callNumbers[call]), ...words];
      return (await succeed(argv)).stdout.trim();
    }

    const killed = `killed ${signalNumbers.SIGSYS}`;

    const rights =
      by === "9p"
        ? "runs as a user that no other process has, with the capabilities over files only, under a filter"
        : "runs as a user that no other process has, without capabilities or a way to gain them, under a filter";
    it(rights, () =>
      withMachine(async ({ pid }) => {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const field = (name: string): string => new RegExp(`^${name}:(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
        for (const ids of ["Uid", "Gid"]) assert.equal(field(ids), Array(4).fill(ownUserOf(pid)).join("\t"), ids);
        assert.equal(field("Groups"), "");
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
          assert.equal(BigInt(`0x${field(set)}`), by === "9p" ? rightsOverFiles : 0n, set);
        assert.equal(field("NoNewPrivs"), "1");
        assert.equal(field("Seccomp"), "2");
      }),
    );

    it("has its memory locked, with the only additional capability that this needs", () =>
      withMachine(
        async ({ pid }) => {
          const status = readFileSync(`/proc/${pid}/status`, "utf8");
          const capabilities = (by === "9p" ? rightsOverFiles : 0n) | mayLockMemory;
          assert.equal(BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1]}`), capabilities);
          assert.match(status, new RegExp(`^Uid:\\s*${ownUserOf(pid)}\\s`, "m"));
          assert.ok(Number(/^VmLck:\s*(\d+) kB$/m.exec(status)?.[1]) > 256 * 1024, status);
        },
        { memoryLocked: true },
      ));

    it("holds no file of the host except its own", () =>
      withMachine(async ({ pid }, place) => {
        const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
        const own = /^(\/dev\/null|\/dev\/kvm|socket:|pipe:|anon_inode:|\/memfd:)/;
        const booted = [guest.kernel, guest.initrd].map((file) => realpathSync(file));
        const given = by === "9p" ? [...booted, path.join(place, "shared")] : booted;
        assert.deepEqual(links.filter((link) => !own.test(link)).sort(), given.sort());
      }));

    const fatal: readonly (readonly [Call, ...(number | string)[]])[] = [
      ["mount", "none", "/mnt", "tmpfs", 0, 0],
      ["setuid", 1000],
    ];
    for (const [call, ...args] of fatal) {
      it(`is ended, and its VM with it, by ${call}`, () =>
        withMachine(async (machine) => {
          assert.equal(await attempt(machine, call, ...args), killed);
          const exit = await machine.exited;
          assert.equal(exit.reason, "died");
        }));
    }

    const spawning: readonly (readonly [what: string, Call, ...(number | string)[]])[] = [
      ["runs no program: the attempt ends it, or QEMU 10 refuses it", "execve", "/bin/true", 0, 0],
      ["creates no process: the attempt ends it, or QEMU 10 refuses it", "fork"],
    ];
    for (const [what, call, ...args] of spawning) {
      it(what, () =>
        withMachine(async (machine) => {
          const answer = await attempt(machine, call, ...args);
          assert.ok([killed, `result ${EPERM}`].includes(answer), answer);
          if (answer === killed) assert.equal((await machine.exited).reason, "died");
        }),
      );
    }

    const refused: readonly (readonly [what: string, Call, ...(number | string)[]])[] = [
      ["clones no mount", "open_tree", AT_FDCWD, "/", OPEN_TREE_CLONE],
      ["creates no file system", "fsopen", "tmpfs", 0],
      ["creates no mount namespace", "unshare", CLONE_NEWNS],
      ["creates no user namespace, in which it would have rights", "unshare", CLONE_NEWUSER],
      ["cannot change its root", "chroot", "/"],
      ["loads no kernel module", "init_module", 0, 0, ""],
      ["loads no BPF program", "bpf", BPF_PROG_LOAD, 0, 0],
      ["traces no process", "ptrace", PTRACE_ATTACH, 1, 0, 0],
    ];
    // unshare takes seconds, and is refused by what both kinds have in common.
    const tried = by === "9p" ? refused.filter(([, call]) => call !== "unshare") : refused;
    for (const [what, call, ...args] of tried) {
      it(what, () =>
        withMachine(async (machine) => {
          const answer = await attempt(machine, call, ...args);
          // A host's kernel may lack the call altogether.
          assert.ok(
            [`result ${EPERM}`, `result ${ENOSYS}`, killed, "ended its first thread"].includes(answer),
            `${call}: ${answer}`,
          );
        }),
      );
    }

    it("opens, renames and signals nothing of root's", () =>
      withMachine(async (machine) => {
        const place = makeTestDirectory("vmm-root");
        try {
          await chmod(place, 0o755);
          const file = path.join(place, "file");
          await writeFile(file, "", { mode: 0o600 });
          assert.equal(await attempt(machine, "open", file, 0), closed, "reading");
          assert.equal(await attempt(machine, "open", file, O_WRONLY), closed, "writing");
          assert.equal(await attempt(machine, "open", "/etc/shadow", 0), closed, "a host's secret");
          assert.equal(await attempt(machine, "open", path.join(place, "new"), O_CREAT | O_WRONLY), closed);
          assert.equal(await attempt(machine, "rename", file, `${file}-moved`), closed, "renaming");
          const changed = by === "9p" ? closed : `result ${EPERM}`;
          assert.equal(await attempt(machine, "chmod", file, 0o777), changed, "changing");
          for (const pid of [1, process.pid]) {
            assert.equal(await attempt(machine, "kill", pid, 0), `result ${EPERM}`, `a signal to ${pid}`);
          }
          if (by === "9p") return;
          const daemon = childNamed("virtiofsd");
          assert.equal(await attempt(machine, "kill", daemon, signalNumbers.SIGKILL), `result ${EPERM}`, "its daemon");
        } finally {
          rmSync(place, { recursive: true });
        }
      }));

    it("sees nothing of its VM's directory, nor of another VM", () =>
      withMachine((first, place) =>
        withMachine(async (second) => {
          assert.equal(await attempt(first, "open", path.join(place, "vm"), 0), closed);
          assert.equal(await attempt(first, "kill", second.pid, 0), `result ${EPERM}`);
          assert.equal(await attempt(first, "open", `/proc/${second.pid}/mem`, 0), closed);
        }),
      ));

    if (by !== "9p") return;

    it("has all of the files it serves, programs that it cannot change, its own part of /proc, and nothing else of the host", () =>
      withMachine(async (machine, place) => {
        const secret = path.join(place, "shared", "secret");
        await writeFile(secret, "", { mode: 0o600 });
        await chown(secret, 1000, 1000);
        const opened = /^result \d+$/;
        assert.match(await attempt(machine, "open", secret, O_WRONLY), opened);
        assert.match(await attempt(machine, "open", "/usr/bin/env", 0), opened);
        assert.match(await attempt(machine, "open", "/proc/self/status", 0), opened);
        const readOnly = `result ${EROFS}`;
        for (const file of ["/usr/bin/env", "/proc/self/oom_score_adj"]) {
          assert.equal(await attempt(machine, "open", file, O_WRONLY), readOnly, file);
        }
        for (const file of ["/usr/new", "/new", `${place}/new`]) {
          assert.equal(await attempt(machine, "open", file, O_WRONLY | O_CREAT, 0o600), readOnly, file);
        }
        const hidden = ["/etc/passwd", "/dev/null", "/root", "/run/kumite", "/sys", "/proc/1", "/proc/sysrq-trigger"];
        for (const file of hidden) assert.equal(await attempt(machine, "open", file, 0), closed, file);
      }));
  });

/** A child of this process. */
function childNamed(name: string): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
  const found = children.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name);
  assert.ok(found !== undefined, `there is no ${name}`);
  return Number(found);
}
