/** The checks of the C host: wrong arguments do no harm. */
import * as native from "kumite:native";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { assert } from "../engine/testing/assert.ts";
import { describe, it } from "../engine/testing/suite.ts";
import { BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, loadProgram } from "./bpf.ts";
import { EAGAIN } from "./check.ts";
import { closeQuietly, open, pipe2 } from "./file.ts";
import { O_CLOEXEC, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR } from "./open-flags.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, SOCK_STREAM, socketpair } from "./socket.ts";

const EINVAL = -22;
const any = (value: unknown) => value as never;

describe("a native call", () => {
  it("refuses a range outside of its buffer, before the kernel sees it", () => {
    const fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const buffer = new Uint8Array(16);
    const bad: [number, number][] = [
      [0, 17],
      [16, 1],
      [17, 0],
      [-1, 1],
      [0, -1],
      [1, 2 ** 53 - 1],
      [2 ** 53 - 1, 1],
    ];
    for (const [offset, length] of bad) {
      assert.throws(() => native.read(fd, buffer, offset, length), RangeError, `read ${offset} ${length}`);
      assert.throws(() => native.getrandom(buffer, offset, length, 0), RangeError, `getrandom ${offset} ${length}`);
    }
    assert.equal(native.read(fd, buffer, 16, 0), 0);
    assert.equal(native.read(fd, buffer, 15, 1), 1);
    closeQuietly(fd);
  });

  it("reads and writes only the view's part of a buffer", () => {
    const whole = new Uint8Array(12).fill(7);
    const view = whole.subarray(4, 8);
    assert.throws(() => native.getrandom(view, 0, 5, 0), RangeError);
    const fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert.equal(native.read(fd, view, 1, 2), 2);
    assert.deepEqual([...whole], [7, 7, 7, 7, 7, 0, 0, 7, 7, 7, 7, 7]);
    assert.equal(native.readv(fd, [whole.subarray(0, 1), whole.subarray(11)]), 2);
    assert.deepEqual([...whole], [0, 7, 7, 7, 7, 0, 0, 7, 7, 7, 7, 0]);
    closeQuietly(fd);
  });

  it("refuses a buffer that is too small for the kernel's structure", () => {
    assert.throws(() => native.statx(-100, "/", 0, 0, new Uint8Array(255)), RangeError);
    assert.throws(() => native.clock_gettime(0, new Uint8Array(15)), RangeError);
    assert.throws(() => native.pipe2(new Uint8Array(7), 0), RangeError);
    assert.throws(() => native.waitid(0, 0, new Uint8Array(127), 1), RangeError);
    assert.throws(() => native.ioctl(0, 0x5401, new Uint8Array(35)), RangeError);
    assert.throws(() => native.openat2(-100, "/", new Uint8Array(8)), RangeError);
  });

  it("refuses an ioctl with a structure of unknown size", () => {
    assert.throws(() => native.ioctl(0, 0x5421ff, new Uint8Array(4096)), TypeError);
    // The number says 8 bytes, but the buffer contains the length of a tail.
    const entropy = new Uint8Array(16);
    new DataView(entropy.buffer).setInt32(4, 100, true);
    assert.throws(() => native.ioctl(0, 0x40085203, entropy), RangeError);
    new DataView(entropy.buffer).setInt32(4, -100, true);
    assert.throws(() => native.ioctl(0, 0x40085203, entropy), RangeError);
  });

  it("refuses arguments of the wrong type or number", () => {
    assert.throws(() => native.close(any("3")), TypeError);
    assert.throws(() => native.close(any(1.5)), TypeError);
    assert.throws(() => native.close(any(Number.NaN)), TypeError);
    assert.throws(() => native.close(any(undefined)), TypeError);
    assert.throws(() => native.close(any({ valueOf: () => 3 })), TypeError);
    assert.throws(() => (native.close as (...args: number[]) => number)(), TypeError);
    assert.throws(() => (native.close as (...args: number[]) => number)(1, 2), TypeError);
    assert.throws(() => (native.exit as (...args: number[]) => never)(1, 2), TypeError);
    assert.throws(() => native.openat(-100, any(5), 0, 0), TypeError);
    assert.throws(() => native.openat(-100, any(null), 0, 0), TypeError);
    assert.throws(() => native.read(0, any("text"), 0, 1), TypeError);
    assert.throws(() => native.read(0, any([1, 2, 3]), 0, 1), TypeError);
  });

  it("refuses text with a NUL in it, instead of cutting it", () => {
    assert.equal(native.openat(-100, "/etc/passwd\0.txt", 0, 0), EINVAL);
    assert.equal(native.mkdirat(-100, "\0", 0o700), EINVAL);
    assert.equal(native.execve("/bin/true", ["true", "a\0b"], []), EINVAL);
    assert.equal(native.execve("/bin/true", ["true"], ["A=\0"]), EINVAL);
    assert.deepEqual(native.spawn(0, [["chdir", "/\0"]], "/bin/true", ["true"], []), [EINVAL, 0]);
    assert.deepEqual(native.spawn(0, [["chdir", "/"]], "/bin/true\0", ["true"], []), [EINVAL, 1]);
  });

  it("accepts names that are not UTF-8 as bytes with one NUL, at the end", () => {
    const path = Uint8Array.of(...encodeUtf8("/tmp/kumite-"), 0xff, 0xfe, 0);
    const fd = native.openat(-100, path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600);
    assert.ok(fd >= 0);
    closeQuietly(fd);
    assert.equal(native.unlinkat(-100, path, 0), 0);
    assert.equal(native.openat(-100, path.subarray(0, path.length - 1), 0, 0), EINVAL);
    assert.equal(native.openat(-100, Uint8Array.of(0x2f, 0, 0), 0, 0), EINVAL);
    assert.equal(native.openat(-100, new Uint8Array(0), 0, 0), EINVAL);
  });

  it("refuses a detached buffer", () => {
    const buffer = new Uint8Array(8);
    const transfer = (buffer.buffer as unknown as { transfer?: () => ArrayBuffer }).transfer;
    if (transfer === undefined) return;
    transfer.call(buffer.buffer);
    assert.throws(() => native.getrandom(buffer, 0, 8, 0), TypeError);
  });

  it("takes 64-bit values as bigints, signed and unsigned", () => {
    const fd = native.memfd_create("wide", 1);
    assert.equal(native.ftruncate(fd, 2n ** 40n), 0);
    assert.equal(native.lseek(fd, 0, 2), 2 ** 40);
    assert.equal(native.pread64(fd, new Uint8Array(1), 0, 1, 2n ** 40n - 1n), 1);
    assert.equal(native.lseek(fd, -1n, 0), EINVAL);
    closeQuietly(fd);
  });
});

describe("vectors and messages", () => {
  it("write from several buffers with one call", () => {
    const fds = pipe2(O_CLOEXEC | O_NONBLOCK);
    assert.equal(native.writev(fds.write, [encodeUtf8("ab"), new Uint8Array(0), encodeUtf8("cde")]), 5);
    const buffer = new Uint8Array(10);
    assert.equal(native.read(fds.read, buffer, 0, 10), 5);
    assert.equal(decodeUtf8(buffer.subarray(0, 5)), "abcde");
    closeQuietly(fds.read);
    closeQuietly(fds.write);
  });

  it("read what arrives in pieces, and leave a failure to the next call", () => {
    const [a, b] = socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC | O_NONBLOCK);
    for (const text of ["one", "two", "3", "four"])
      assert.equal(native.write(a, encodeUtf8(text), 0, text.length), text.length);
    const buffer = new Uint8Array(16);
    assert.equal(native.readPieces(b, buffer, 1, 15, 3), 7);
    assert.equal(decodeUtf8(buffer.subarray(1, 8)), "onetwo3");
    assert.equal(native.readPieces(b, buffer, 0, 16, 4), 4);
    assert.equal(native.readPieces(b, buffer, 0, 16, 4), EAGAIN);
    assert.throws(() => native.readPieces(b, buffer, 1, 16, 4), RangeError);
    closeQuietly(a);
    assert.equal(native.readPieces(b, buffer, 0, 16, 4), 0);
    closeQuietly(b);
  });

  it("are bounded", () => {
    const many = Array.from({ length: 65 }, () => new Uint8Array(1));
    assert.throws(() => native.writev(1, many), RangeError);
    assert.throws(() => native.writev(1, any({ length: 1 })), TypeError);
    assert.throws(() => native.writev(1, [any(5)]), TypeError);
    const fds = Array.from({ length: 254 }, () => 0);
    assert.throws(() => native.sendmsg(1, [new Uint8Array(1)], fds, 0, null), RangeError);
  });

  it("survive an element that changes the others while it is read", () => {
    const victim = new Uint8Array(4096);
    const trap = [victim, victim];
    Object.defineProperty(trap, 1, {
      get() {
        trap.length = 0;
        return any("not a buffer");
      },
    });
    assert.throws(() => native.writev(1, trap), Error);
  });

  it("close received descriptors that nobody asks for", () => {
    const pair = new Uint8Array(8);
    native.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    const view = new DataView(pair.buffer);
    const [a, b] = [view.getInt32(0, true), view.getInt32(4, true)];
    assert.equal(native.sendmsg(a, [Uint8Array.of(1)], [a, b, a], 0, null), 1);
    const [length, , descriptors] = native.recvmsg(b, [new Uint8Array(1)], 0);
    assert.deepEqual([length, descriptors.length], [1, 3]);
    for (const fd of [a, b, ...descriptors]) assert.equal(native.close(fd), 0);
  });
});

describe("births", () => {
  it("refuse to share memory or descriptors with a second JavaScript", () => {
    for (const flag of [0x100, 0x200, 0x400, 0x800, 0x10000, 0x4000])
      assert.throws(() => native.fork(flag), RangeError);
    assert.throws(() => native.spawn(0x100, [], "/bin/true", [], []), RangeError);
  });

  it("refuse steps that are no system calls", () => {
    assert.throws(() => native.spawn(0, [["system", "true"]], "/bin/true", [], []), TypeError);
    assert.throws(() => native.spawn(0, [any([])], "/bin/true", [], []), TypeError);
    assert.throws(() => native.spawn(0, [["chdir"]], "/bin/true", [], []), TypeError);
    assert.throws(() => native.spawn(0, [["requireParent"]], "/bin/true", [], []), TypeError);
    assert.throws(
      () =>
        native.spawn(
          0,
          Array.from({ length: 161 }, () => ["setsid"] as const),
          "/bin/true",
          [],
          [],
        ),
      RangeError,
    );
  });

  it("report which step failed, and leave no zombie", () => {
    const steps = [["setsid"], ["chdir", "/nowhere"], ["setsid"]] as const;
    assert.deepEqual(native.spawn(0, steps, "/bin/true", ["true"], []), [-2, 1]);
    assert.deepEqual(native.spawn(0, [["requireParent", 1]], "/bin/true", ["true"], []), [-3, 0]);
    assert.deepEqual(native.spawn(0, [["requireParent", native.getpid()]], "/nowhere", ["x"], []), [-2, 1]);
    assert.equal(native.waitid(0, 0, new Uint8Array(128), 4 | 1), -10);
  });
});

describe("a BPF program", () => {
  it("is refused unless it consists of whole instructions, and not of too many", () => {
    for (const size of [0, 7, 12, 8 * 4097]) {
      const program = new Uint8Array(size);
      assert.throws(() => native.bpfLoad(15, 6, program, null), RangeError, `${size} bytes`);
      assert.throws(() => native.execveFiltered(0, program, "/bin/true", [], []), RangeError, `${size} bytes`);
      assert.throws(() => native.spawn(0, [["seccomp", 0, program]], "/bin/true", [], []), RangeError, `${size} bytes`);
    }
    assert.throws(() => native.bpfLoad(any("15"), 6, new Uint8Array(8), null), TypeError);
    assert.throws(() => native.bpfAttached(0, 6, any([1])), TypeError);
  });

  it("that the verifier refuses is reported with its reasons", () => {
    assert.throws(
      () => loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, new Uint8Array(8).fill(0x95, 0, 1)),
      {
        code: "internal",
        message: /^the kernel refuses a program: bpf: (permission denied|invalid argument)$/,
      },
    );
  });
});
