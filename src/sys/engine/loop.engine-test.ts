/** The event loop, and uncaught failures. */
import { collectGarbage, memoryUsed } from "kumite:native";
import { decodeUtf8 } from "../../util/text.ts";
import { EPOLLIN } from "../linux/epoll.ts";
import { closeQuietly, dup3, dupAbove, pipe2, write } from "../linux/file.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../linux/open-flags.ts";
import { getpid, prlimit, RLIMIT_NOFILE } from "../linux/process.ts";
import { kill, SIGUSR1, SIGUSR2 } from "../linux/signal.ts";
import { engineOs } from "./engine-os.ts";
import { onUncaught, Watch } from "./loop.ts";
import { handleSignals } from "./signals.ts";
import { ownStream } from "./stream.ts";
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

function pipe(): { readonly read: number; readonly write: number } {
  return pipe2(O_CLOEXEC | O_NONBLOCK);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Allocates all memory and frees it again. The exception is `null` if there is no memory for an error object. */
function fillMemory(count: () => void): void {
  const most = new Uint8Array((256 << 20) - memoryUsed() - (1 << 20));
  const small: object[] = [most];
  try {
    for (;;) {
      small.push({ number: small.length });
      count();
    }
  } catch {
    small.length = 0;
  }
}

describe("the event loop", () => {
  it("continues after an exception in a handler, and reports it", async () => {
    const reported: unknown[] = [];
    onUncaught((error, origin) => reported.push(`${origin}: ${(error as Error).message}`));
    const fds = pipe();
    let events = 0;
    const watch = new Watch(fds.read, () => {
      events += 1;
      if (events === 2) watch.close();
      throw new Error("in a handler");
    });
    watch.set(EPOLLIN);
    write(fds.write, Uint8Array.of(1));
    while (events < 2) await turn();
    assert.deepEqual(reported, ["handler: in a handler", "handler: in a handler"]);
    closeQuietly(fds.read);
    closeQuietly(fds.write);
  });

  it("reports rejections that nobody handles, and no others", async () => {
    const reported: string[] = [];
    onUncaught((error, origin) => reported.push(`${origin}: ${(error as Error).message}`));
    const late = Promise.reject(new Error("handled in the same turn"));
    void Promise.reject(new Error("not handled"));
    await Promise.resolve();
    late.catch(() => {});
    setTimeout(() => {
      throw new Error("in a timer");
    }, 0);
    queueMicrotask(() => {
      throw new Error("in a microtask");
    });
    await turn();
    await turn();
    assert.deepEqual(reported, ["rejection: not handled", "rejection: in a microtask", "rejection: in a timer"]);
  });

  it("continues when the handler of failures fails itself, and says so on standard error", async () => {
    const fds = pipe();
    const standardError = dupAbove(2, 3);
    dup3(fds.write, 2, 0);
    onUncaught(() => {
      throw new Error("second failure");
    });
    void Promise.reject(new Error("first failure"));
    await turn();
    dup3(standardError, 2, 0);
    const text = decodeUtf8((await ownStream(fds.read).read()) ?? new Uint8Array());
    assert.ok(/internal error: Error: first failure.*internal error: Error: second failure/s.test(text), text);
    for (const fd of [standardError, fds.read, fds.write]) closeQuietly(fd);
  });

  it("serves more than 1024 descriptors", async () => {
    const enough = 4096n;
    const before = prlimit(0, RLIMIT_NOFILE);
    // Root may raise the hard limit as well.
    prlimit(0, RLIMIT_NOFILE, { soft: enough, hard: before.hard < enough ? enough : before.hard });
    const fds = pipe();
    const copies: number[] = [];
    const watches: Watch[] = [];
    try {
      while (copies.length < 1500) copies.push(dupAbove(fds.read, 3));
      assert.ok(copies.some((fd) => fd > 1024));
      const seen = new Set<number>();
      for (const fd of copies) {
        const watch = new Watch(fd, () => {
          seen.add(fd);
          watch.set(0);
        });
        watch.set(EPOLLIN);
        watches.push(watch);
      }
      write(fds.write, Uint8Array.of(1));
      while (seen.size < copies.length) await turn();
    } finally {
      for (const watch of watches) watch.close();
      for (const fd of [...copies, fds.read, fds.write]) closeQuietly(fd);
      prlimit(0, RLIMIT_NOFILE, before);
    }
  });

  it("delivers no event to a watch that another handler closed, nor to a new one with the same number", async () => {
    const [a, b] = [pipe(), pipe()];
    const seen: string[] = [];
    let later: Watch | undefined;
    const handler = (name: string, mine: () => Watch, other: () => Watch, otherFd: number) => () => {
      seen.push(name);
      mine().close();
      other().close();
      closeQuietly(otherFd);
      const again = dupAbove(empty.read, otherFd);
      later = new Watch(again, () => seen.push("a stranger's event"));
      later.set(EPOLLIN);
      stranger = again;
    };
    const empty = pipe();
    let stranger = -1;
    const first: Watch = new Watch(
      a.read,
      handler(
        "one",
        () => first,
        () => second,
        b.read,
      ),
    );
    const second: Watch = new Watch(
      b.read,
      handler(
        "one",
        () => second,
        () => first,
        a.read,
      ),
    );
    first.set(EPOLLIN);
    second.set(EPOLLIN);
    write(a.write, Uint8Array.of(1));
    write(b.write, Uint8Array.of(1));
    await turn();
    await turn();
    assert.deepEqual(seen, ["one"]);
    later?.close();
    for (const fd of [a.read, a.write, b.read, b.write, empty.read, empty.write, stranger]) closeQuietly(fd);
  });

  it("does not report a stopped and continued process as ended", async () => {
    const os = engineOs();
    const child = await os.processes.spawn({
      path: "/bin/sh",
      argv: ["sh", "-c", `kill -STOP ${getpid()}; sleep 0.05; kill -CONT ${getpid()}; exit 7`],
      env: {},
      descriptors: {},
    });
    assert.deepEqual(await child.exited, { kind: "exited", status: 7 });
  });

  it("continues after an allocation beyond the limit, small or large", () => {
    assert.throws(() => new Uint8Array(257 << 20), { name: "InternalError" });
    let made = 0;
    fillMemory(() => made++);
    assert.ok(made > 1000);
    assert.ok(memoryUsed() < 32 << 20);
  });

  it("keeps no memory of closed streams", async () => {
    const round = async () => {
      const fds = pipe();
      const [reader, writer] = [ownStream(fds.read), ownStream(fds.write)];
      await writer.write(Uint8Array.of(1, 2, 3));
      await reader.read();
      reader.close();
      writer.close();
    };
    for (let i = 0; i < 50; i++) await round();
    collectGarbage();
    const before = memoryUsed();
    for (let i = 0; i < 500; i++) await round();
    collectGarbage();
    assert.ok(memoryUsed() - before < 20_000, `${memoryUsed() - before} bytes are left of 500 rounds`);
  });
});

describe("signals", () => {
  it("reach their handlers with their sender", async () => {
    const got: string[] = [];
    handleSignals([SIGUSR1, SIGUSR2], ({ signal, pid, code }) => got.push(`${signal} ${pid === getpid()} ${code}`));
    kill(getpid(), SIGUSR1);
    await turn();
    kill(getpid(), SIGUSR2);
    await turn();
    assert.deepEqual(got, [`${SIGUSR1} true 0`, `${SIGUSR2} true 0`]);
  });

  it("reach every handler, even if one of them fails", async () => {
    const reported: string[] = [];
    onUncaught((error) => reported.push((error as Error).message));
    handleSignals([SIGUSR1], () => {
      throw new Error("in a signal handler");
    });
    let heard = 0;
    handleSignals([SIGUSR1], () => heard++);
    kill(getpid(), SIGUSR1);
    await turn();
    await turn();
    assert.equal(heard, 1);
    assert.deepEqual(reported, ["in a signal handler"]);
  });
});
