/** Compares structure layouts with what other programs and /proc report. */
import { output, scratch } from "../contract/scratch.ts";
import { engineOs } from "../engine/engine-os.ts";
import { startReaper, whenExited } from "../engine/reaper.ts";
import { assert } from "../engine/testing/assert.ts";
import { describe, it } from "../engine/testing/suite.ts";
import { capget, capset, decodeCapabilities, encodeCapabilities, setgroups } from "./credentials.ts";
import { major, makedev, minor } from "./device.ts";
import { type DirectoryEntry, decodeEntries, getcwd, readdir } from "./directory.ts";
import { closeQuietly, encodeOpenHow } from "./file.ts";
import { uname } from "./machine.ts";
import { encodeMountAttributes, fileSystemType } from "./mount.ts";
import { exit, fork, prlimit, RLIMIT_NOFILE } from "./process.ts";
import { encodeEntropy, getrandom } from "./random.ts";
import { blockSignals, encodeSignalSet, SIGUSR1, SIGUSR2 } from "./signal.ts";
import { unixAddress } from "./socket.ts";
import { fstat, lstat, stat } from "./stat.ts";
import { openPty } from "./terminal.ts";
import { CLOCK_REALTIME, clockMs, encodeTimer } from "./time.ts";
import { readFileText } from "./whole-file.ts";

const os = engineOs();
const CLOCK_BOOTTIME = 7;
const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

describe("the layout of", () => {
  it("statx is what stat(1) shows", async () => {
    await using place = await scratch(os);
    const sticky = `${place.path}/sticky`;
    await os.files.makeDir(sticky, 0o1777);
    for (const path of ["/etc/passwd", "/dev/null", sticky, "/proc/self"]) {
      const format = "%f %h %u %g %s %i %Hd:%Ld %Hr:%Lr %Y";
      const shown = await output(os, 'stat -c "$1" "$2"', { args: [format, path] });
      const { mode, links, uid, gid, size, inode, device, deviceNumber, modifiedMs } = lstat(path);
      const ours = [
        mode.toString(16),
        links,
        uid,
        gid,
        size,
        inode,
        `${major(device)}:${minor(device)}`,
        `${major(deviceNumber)}:${minor(deviceNumber)}`,
        Math.floor(modifiedMs / 1000),
      ].join(" ");
      // The symlink in /proc differs between processes.
      if (path !== "/proc/self") assert.equal(ours, shown, path);
    }
    assert.equal(stat("/proc").mountRoot, true);
    assert.equal(stat("/proc/self/status").mountRoot, false);
    const entry = (await os.mounts.table()).filter(({ target }) => target === "/proc").at(-1);
    assert.equal(Number(stat("/proc").mountId), entry?.id);
  });

  it("device numbers has all bits of major and minor", () => {
    assert.equal(makedev(8, 1), 0x801n);
    assert.equal(makedev(1, 3), 0x103n);
    for (const [a, b] of [
      [0, 0],
      [259, 70000],
      [0xfffff, 0xfffff],
      [0xffffffff, 0xffffffff],
    ] as const) {
      const device = makedev(a, b);
      assert.deepEqual([major(device), minor(device)], [a, b]);
    }
  });

  it("directory entries ends names at the NUL and skips dot and dot dot", () => {
    const buffer = new Uint8Array(24 * 3 + 32);
    const view = new DataView(buffer.buffer);
    const put = (at: number, length: number, type: number, name: readonly number[]) => {
      view.setUint16(at + 16, length, true);
      view.setUint8(at + 18, type);
      buffer.set(name, at + 19);
    };
    put(0, 24, 4, [0x2e]);
    put(24, 24, 4, [0x2e, 0x2e]);
    put(48, 24, 8, [0x61, 0x62]);
    put(72, 32, 10, [0xff, 0x62, 0x63]);
    const entries: DirectoryEntry[] = [];
    decodeEntries(buffer, buffer.length, entries);
    assert.deepEqual(
      entries.map(({ name, type }) => [name, type]),
      [
        ["ab", 8],
        ["\ufffdbc", 10],
      ],
    );
    assert.deepEqual(entries[1]?.path, Uint8Array.of(0xff, 0x62, 0x63, 0));
  });

  it("directory entries is right in a large directory", async () => {
    const shown = await output(os, "ls -a /proc/sys/kernel | sort");
    const ours = [".", "..", ...readdir("/proc/sys/kernel").map(({ name }) => name)];
    assert.deepEqual(ours.sort(), shown.split("\n").sort());
    assert.equal(getcwd(), await output(os, "pwd -P"));
  });

  it("capabilities is what /proc shows, and what was set is read back", async () => {
    const field = (name: string) =>
      BigInt(`0x${new RegExp(`${name}:\\s*(\\w+)`).exec(readFileText("/proc/self/status"))?.[1]}`);
    const sets = capget();
    assert.deepEqual(
      [sets.effective, sets.permitted, sets.inheritable],
      [field("CapEff"), field("CapPrm"), field("CapInh")],
    );
    const odd = { effective: 1n << 40n, permitted: (1n << 40n) | 5n, inheritable: 1n << 31n };
    assert.deepEqual(decodeCapabilities(encodeCapabilities(odd)), odd);
    startReaper();
    const pid = fork();
    if (pid === 0) {
      try {
        const wanted = { effective: 1n, permitted: (1n << 38n) | 1n, inheritable: 0n };
        capset(wanted);
        const got = capget();
        exit(got.effective === wanted.effective && got.permitted === wanted.permitted ? 0 : 1);
      } catch {
        exit(2);
      }
    }
    assert.deepEqual(await whenExited(pid), { kind: "exited", status: 0 });
  });

  it("groups, limits and signal sets is what /proc shows", async () => {
    startReaper();
    const pid = fork();
    if (pid === 0) {
      try {
        setgroups([7, 100000]);
        blockSignals([1, SIGUSR1, 64]);
        prlimit(0, RLIMIT_NOFILE, { soft: 123n, hard: 456n });
        const status = readFileText("/proc/self/status");
        const limits = readFileText("/proc/self/limits");
        const groups = /Groups:\t7 100000/.test(status);
        const blocked = BigInt(`0x${/SigBlk:\t(\w+)/.exec(status)?.[1]}`);
        const signals = [0n, 9n, 63n].every((bit) => ((blocked >> bit) & 1n) === 1n) && (blocked & 0x50en) === 0n;
        exit(groups ? (signals ? (/Max open files\s+123\s+456/.test(limits) ? 0 : 1) : 2) : 3);
      } catch {
        exit(4);
      }
    }
    assert.deepEqual(await whenExited(pid), { kind: "exited", status: 0 });
    assert.equal(hex(encodeSignalSet([1, SIGUSR1, SIGUSR2, 64])), "010a000000000080");
    assert.throws(() => encodeSignalSet([0]), RangeError);
    assert.throws(() => encodeSignalSet([65]), RangeError);
  });

  it("times is what date(1) shows, and timers are absolute", async () => {
    const before = Math.floor(clockMs(CLOCK_REALTIME) / 1000);
    const shown = Number(await output(os, "date +%s"));
    assert.ok(before <= shown && shown <= clockMs(CLOCK_REALTIME) / 1000);
    const bootMs = clockMs(CLOCK_BOOTTIME);
    // /proc/uptime has hundredths of a second.
    const uptimeMs = Math.round(Number(readFileText("/proc/uptime").split(" ")[0]) * 1000);
    assert.ok(bootMs - 10 <= uptimeMs && uptimeMs <= clockMs(CLOCK_BOOTTIME), `${bootMs} ${uptimeMs}`);
    assert.equal(hex(encodeTimer(1500.25).subarray(16)), "01000000000000009035d11d00000000");
    assert.equal(hex(encodeTimer(0).subarray(16)), "00000000000000000100000000000000");
  });

  it("socket addresses has the family first and the path after it", () => {
    assert.equal(hex(unixAddress("/a")), "01002f6100");
    assert.equal(unixAddress("/".padEnd(107, "x")).length, 110);
    assert.throws(() => unixAddress("/".padEnd(108, "x")), { errno: "ENAMETOOLONG" });
    assert.throws(() => unixAddress(""), { errno: "EINVAL" });
    assert.throws(() => unixAddress("/a\0b"), { errno: "EINVAL" });
  });

  it("terminal modes is what stty(1) shows after raw mode", async () => {
    const { master, slave } = openPty();
    const settings = (fd: number) => output(os, "stty -a", { descriptors: { 0: { kind: "inherit", fd } } });
    const raw = os.terminals.makeRaw(slave);
    const shown = await settings(slave);
    for (const off of ["-icanon", "-isig", "-echo", "-opost", "-ixon", "-icrnl", "-iexten", "-brkint"])
      assert.ok(shown.includes(off), `${off} is not in ${shown}`);
    assert.ok(/cs8/.test(shown) && /min = 1; time = 0/.test(shown), shown);
    raw.restore();
    assert.ok(/ icanon/.test(await settings(slave)));
    os.terminals.setWindowSize(master, { rows: 12, columns: 34 });
    assert.equal(await output(os, "stty size", { descriptors: { 0: { kind: "inherit", fd: slave } } }), "12 34");
    closeQuietly(master);
    closeQuietly(slave);
  });

  it("uname is what uname(1) shows", async () => {
    const { system, host, release, machine } = uname();
    assert.equal([system, host, release, machine].join(" "), await output(os, "uname -s -n -r -m"));
  });

  it("file systems, mounts, opens and entropy has its fields in place", () => {
    assert.equal(fileSystemType("/proc"), 0x9fa0);
    const attributes = encodeMountAttributes({ set: 1, clear: 2, propagation: 1 << 18 });
    assert.equal(hex(attributes), "0100000000000000020000000000000000000400000000000000000000000000");
    assert.equal(
      hex(encodeOpenHow({ flags: 0o10000000, resolve: 0x12 })),
      "000020000000000000000000000000001200000000000000",
    );
    assert.equal(hex(encodeEntropy(Uint8Array.of(1, 2, 3))), "1800000003000000010203");
    assert.equal(getrandom(5000).length, 5000);
    assert.equal(fstat(0).deviceNumber, 0x103n);
  });
});
