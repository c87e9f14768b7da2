/** The globals that the prelude defines. */
import { CLOCK_MONOTONIC, clockMs } from "../linux/time.ts";
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("text", () => {
  const decode = (...bytes: number[]) => new TextDecoder().decode(Uint8Array.from(bytes));

  it("is converted to UTF-8 and back", () => {
    const text = "ascii, grüße, €, 😀, \0";
    const bytes = new TextEncoder().encode(text);
    assert.equal(bytes.length, 28);
    assert.equal(new TextDecoder().decode(bytes), text);
    assert.equal(new TextDecoder().decode(bytes.subarray(7, 9)), "gr");
    assert.equal(new TextEncoder().encode().length, 0);
  });

  it("has each ill-formed part replaced once, as the standard says", () => {
    assert.equal(decode(0x61, 0xff, 0x62), "a\ufffdb");
    assert.equal(decode(0xe2, 0x82), "\ufffd");
    assert.equal(decode(0xe2, 0x82, 0x41), "\ufffdA");
    assert.equal(decode(0xc0, 0xaf), "\ufffd\ufffd");
    assert.equal(decode(0xed, 0xa0, 0x80), "\ufffd\ufffd\ufffd");
    assert.equal(decode(0xf0, 0x9f, 0x98, 0xf0, 0x9f, 0x98, 0x80), "\ufffd😀");
    assert.equal(decode(0xf4, 0x90, 0x80, 0x80), "\ufffd\ufffd\ufffd\ufffd");
    assert.equal(decode(0x80), "\ufffd");
  });

  it("is refused if it is ill-formed and that is fatal", () => {
    const fatal = new TextDecoder("utf-8", { fatal: true });
    assert.throws(() => fatal.decode(Uint8Array.of(0xc3)), TypeError);
    assert.equal(fatal.decode(Uint8Array.of(0xc3, 0xbc)), "ü");
  });

  it("loses a byte order mark, and lone surrogates become replacements", () => {
    assert.equal(decode(0xef, 0xbb, 0xbf, 0x61), "a");
    assert.deepEqual([...new TextEncoder().encode("a\ud800b")], [0x61, 0xef, 0xbf, 0xbd, 0x62]);
  });

  it("is UTF-8 only", () => {
    assert.throws(() => new TextDecoder("latin1" as "utf-8"), RangeError);
  });
});

describe("timers", () => {
  it("fire in the order of their times, those with equal times in the order of setting", async () => {
    const fired: string[] = [];
    const timers = [
      ["c", 12],
      ["a", 1],
      ["b", 6],
      ["a2", 1],
    ] as const;
    await Promise.all(
      timers.map(([name, ms]) => new Promise<void>((resolve) => setTimeout(() => resolve(void fired.push(name)), ms))),
    );
    assert.deepEqual(fired, ["a", "a2", "b", "c"]);
  });

  it("never fire early", async () => {
    const start = clockMs(CLOCK_MONOTONIC);
    await after(20);
    assert.ok(clockMs(CLOCK_MONOTONIC) - start >= 19);
  });

  it("do not fire once cleared, and clearing twice or late is harmless", async () => {
    let fired = 0;
    const timer = setTimeout(() => fired++, 1);
    clearTimeout(timer as never);
    clearTimeout(timer as never);
    clearTimeout(undefined as never);
    const done = setTimeout(() => fired++, 1);
    await after(5);
    clearTimeout(done as never);
    assert.equal(fired, 1);
  });

  it("are many, set and cleared in any order", async () => {
    let fired = 0;
    const all = Array.from({ length: 500 }, (_, i) => setTimeout(() => fired++, (i * 7) % 23));
    for (let i = 0; i < all.length; i += 3) clearTimeout(all[i] as never);
    await after(40);
    assert.equal(fired, 500 - Math.ceil(500 / 3));
  });
});

describe("abort signals", () => {
  it("tell every listener once, with the reason", () => {
    const controller = new AbortController();
    let heard = 0;
    const listener = () => heard++;
    controller.signal.addEventListener("abort", listener);
    controller.signal.addEventListener("abort", listener);
    const removed = () => heard++;
    controller.signal.addEventListener("abort", removed);
    controller.signal.removeEventListener("abort", removed);
    controller.signal.throwIfAborted();
    controller.abort("because");
    controller.abort("again");
    assert.equal(heard, 1);
    assert.equal(controller.signal.aborted, true);
    assert.equal(controller.signal.reason, "because");
  });

  it("throw their reason, which is an AbortError by default", () => {
    const controller = new AbortController();
    controller.abort();
    assert.throws(() => controller.signal.throwIfAborted(), { name: "AbortError" });
  });
});

describe("microtasks", () => {
  it("run before any timer", async () => {
    const order: string[] = [];
    const timer = after(0).then(() => order.push("timer"));
    queueMicrotask(() => order.push("microtask"));
    order.push("now");
    await timer;
    assert.deepEqual(order, ["now", "microtask", "timer"]);
  });
});
