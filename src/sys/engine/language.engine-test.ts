/**
 * Language features that the product relies on, checked on the engine itself. Known faults of the engine have tests as
 * well.
 */
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

async function* count(to: number): AsyncGenerator<number, void, undefined> {
  for (let i = 0; i < to; i++) yield i;
}

/** An endless iterator that records whether it was closed. */
function closable(): { readonly items: AsyncIterable<number>; closed(): boolean } {
  let closed = false;
  async function* items(): AsyncGenerator<number, void, undefined> {
    try {
      for (;;) yield 1;
    } finally {
      closed = true;
    }
  }
  return { items: items(), closed: () => closed };
}

class Counter {
  static #made = 0;
  readonly #start: number;
  value: number;

  static {
    Counter.#made = 10;
  }

  constructor(start: number) {
    this.#start = start;
    this.value = start;
    Counter.#made += 1;
  }

  static get made(): number {
    return Counter.#made;
  }

  #step(): void {
    this.value += 1;
  }

  next(): number {
    this.#step();
    return this.value - this.#start;
  }

  static is(value: object): boolean {
    return #start in value;
  }
}

describe("the language on the small engine", () => {
  it("awaits values, rejections and thenables", async () => {
    assert.equal(await Promise.resolve(1), 1);
    // biome-ignore lint/suspicious/noThenProperty: thenables are what this is about
    assert.equal(await { then: (resolve: (value: number) => void) => resolve(2) }, 2);
    await assert.rejects(Promise.reject(new TypeError("no")), TypeError);
    const settled = await Promise.allSettled([1, Promise.reject(new Error("x"))]);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected"],
    );
    assert.equal(await Promise.any([Promise.reject(new Error("x")), Promise.resolve(3)]), 3);
    assert.equal(await Promise.race([new Promise(() => {}), Promise.resolve(4)]), 4);
  });

  it("iterates asynchronously, and closes the iterator on an early end", async () => {
    const seen: number[] = [];
    for await (const i of count(3)) seen.push(i);
    assert.deepEqual(seen, [0, 1, 2]);
    const closing = closable();
    await (async () => {
      for await (const i of closing.items) return i;
      return 0;
    })();
    assert.equal(closing.closed(), true);
  });

  it("has the defect that `break` and `throw` do not wait until the asynchronous iterator is closed", async () => {
    const closing = closable();
    for await (const _ of closing.items) break;
    // If this fails, the engine has been fixed, and the rule can be removed from the guide.
    assert.equal(closing.closed(), false);
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    assert.equal(closing.closed(), true);
  });

  it("disposes what `using` and `await using` hold, newest first, also on an exception", async () => {
    const events: string[] = [];
    const sync = (name: string) => ({ [Symbol.dispose]: () => void events.push(name) });
    const async = (name: string) => ({ [Symbol.asyncDispose]: async () => void events.push(name) });
    const run = async () => {
      using _first = sync("first");
      await using _second = async("second");
      throw new RangeError("body");
    };
    await assert.rejects(run(), RangeError);
    assert.deepEqual(events, ["second", "first"]);
  });

  it("calculates with bigints of 64 bits and more", () => {
    assert.equal(2n ** 64n - 1n, 18446744073709551615n);
    assert.equal((-7n >> 1n) & 0xffn, 0xfcn);
    assert.equal(BigInt.asUintN(64, 2n ** 64n + 5n), 5n);
    assert.equal(BigInt.asIntN(64, 2n ** 63n), -(2n ** 63n));
    assert.equal(BigInt("0x8000000000000000").toString(), "9223372036854775808");
    assert.equal(Number(2n ** 53n), 9007199254740992);
    assert.ok(1n < 2 && 2n > 1);
  });

  it("has the defect that BigInt.asUintN(64) of a negative number stays negative, unlike with a DataView", () => {
    // If this fails, the engine has been fixed, and the rule can be removed from the guide.

    assert.equal(BigInt.asUintN(64, -1n), -1n);
    const view = new DataView(new ArrayBuffer(8));
    view.setBigInt64(0, -1n, true);
    assert.equal(view.getBigUint64(0, true), 18446744073709551615n);
  });

  it("reads and writes 64 bits in both byte orders", () => {
    const view = new DataView(new ArrayBuffer(16), 4, 8);
    view.setBigUint64(0, 0x0102030405060708n);
    assert.equal(view.getBigUint64(0, true), 0x0807060504030201n);
    assert.equal(view.getUint32(4), 0x05060708);
    view.setBigInt64(0, -(2n ** 63n), true);
    assert.equal(view.getBigInt64(0, true), -(2n ** 63n));
    view.setFloat64(0, Math.PI, true);
    assert.equal(view.getFloat64(0, true), Math.PI);
    assert.throws(() => view.getBigInt64(1), RangeError);
  });

  it("has typed arrays with the methods we use", () => {
    const bytes = Uint8Array.from([3, 1, 2]);
    assert.deepEqual([...bytes.subarray(1)], [1, 2]);
    assert.deepEqual([...bytes.slice().sort()], [1, 2, 3]);
    assert.deepEqual([...bytes.toReversed()], [2, 1, 3]);
    assert.deepEqual([...bytes.with(0, 9)], [9, 1, 2]);
    assert.equal(bytes.at(-1), 2);
    assert.equal(bytes.indexOf(2), 2);
    assert.equal(
      bytes.findLast((byte) => byte < 3),
      2,
    );
    bytes.copyWithin(0, 1);
    bytes.set([7], 2);
    assert.deepEqual([...bytes], [1, 2, 7]);
    bytes.fill(0);
    assert.ok(bytes.every((byte) => byte === 0) && !bytes.includes(1));
    assert.equal(new Uint8Array(bytes.buffer, 1, 1).length, 1);
    assert.deepEqual([...new BigUint64Array(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0).buffer)], [1n]);
  });

  it("has classes with private members, static blocks and accessors", () => {
    const before = Counter.made;
    const counter = new Counter(5);
    assert.equal(counter.next() + counter.next(), 3);
    assert.equal(Counter.made, before + 1);
    assert.ok(Counter.is(counter) && !Counter.is({}));
  });

  it("keeps causes, classes and stacks of errors", () => {
    class Special extends Error {
      override readonly name = "Special";
    }
    const error = new Special("outer", { cause: new TypeError("inner") });
    assert.ok(error instanceof Special && error instanceof Error);
    assert.ok(error.cause instanceof TypeError);
    assert.equal(String(error), "Special: outer");
    assert.ok((error.stack ?? "").includes("engine-tests.js:"), "no line in the stack");
    const several = new AggregateError([error], "all");
    assert.equal(several.errors[0], error);
  });

  it("ends deep recursion with an exception", () => {
    const deep = (n: number): number => deep(n + 1) + 1;
    assert.throws(() => deep(0), { name: "InternalError" });
  });

  it("matches with named groups, sticky, unicode and lookaround", () => {
    const groups = /(?<year>\d{4})-(?<month>\d\d)/u.exec("on 2024-05-06")?.groups;
    assert.deepEqual({ ...groups }, { year: "2024", month: "05" });
    assert.deepEqual(
      [..."a1b22".matchAll(/(?<letter>[a-z])(?<number>\d+)/g)].map((match) => match.groups?.number),
      ["1", "22"],
    );
    assert.equal("x".replace(/(?<a>x)/, "<$<a>>"), "<x>");
    assert.equal("a.b.c".replaceAll(".", "/"), "a/b/c");
    assert.ok(/^\p{Lu}/u.test("Ünder") && /(?<=a)b/.test("ab") && !/(?<!a)b/.test("ab"));
    const sticky = /b/y;
    sticky.lastIndex = 1;
    assert.ok(sticky.test("ab"));
    assert.equal(new RegExp(`^${"a"}+$`).test("aaa"), true);
  });

  it("iterates maps and sets in order, also while they change", () => {
    const map = new Map([
      ["b", 1],
      ["a", 2],
    ]);
    const seen: string[] = [];
    for (const [key] of map) {
      seen.push(key);
      map.delete(key);
      if (key === "a") map.set("c", 3);
    }
    assert.deepEqual(seen, ["b", "a", "c"]);
    assert.deepEqual([...new Set([3, 1, 3])], [3, 1]);
    assert.equal(new Map([[Number.NaN, 1]]).get(Number.NaN), 1);
  });

  it("has weak references, and clears them when their objects are collected", async () => {
    const kept = { kept: true };
    const reference = new WeakRef(kept);
    const lost = new WeakRef({ lost: true });
    await Promise.resolve();
    assert.equal(reference.deref(), kept);
    assert.equal(lost.deref(), undefined);
    assert.equal(new WeakMap([[kept, 1]]).get(kept), 1);
  });

  it("has the newer methods of arrays, objects and strings", () => {
    assert.deepEqual([3, 1, 2].toSorted(), [1, 2, 3]);
    assert.equal(
      [1, 2, 3].findLast((n) => n < 3),
      2,
    );
    assert.equal([1, 2].at(-1), 2);
    assert.deepEqual([1, [2, [3]]].flat(2), [1, 2, 3]);
    assert.ok(Object.hasOwn({ a: 1 }, "a"));
    assert.deepEqual(Object.fromEntries([["a", 1]]), { a: 1 });
    assert.equal("ab".at(-1), "b");
    assert.equal("é".normalize("NFD").length, 2);
    assert.equal("7".padStart(3, "0"), "007");
    const optional: { a?: number } = {};
    optional.a ??= 5;
    assert.equal(optional.a, 5);
    assert.equal((undefined as { a?: { b: number } } | undefined)?.a?.b, undefined);
  });

  it("reads and writes JSON with escapes, and refuses bigints", () => {
    assert.equal(JSON.stringify({ a: [1, "ü\n\u2028", null], b: undefined }), '{"a":[1,"ü\\n\u2028",null]}');
    assert.deepEqual(JSON.parse('{"a":"\\ud83d\\ude00"}'), { a: "😀" });
    assert.throws(() => JSON.parse("{,}"), SyntaxError);
    assert.throws(() => JSON.stringify(1n), TypeError);
  });

  it("has a clock for dates", () => {
    assert.equal(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    assert.equal(Date.parse("2024-01-02T03:04:05.678Z"), 1704164645678);
    assert.ok(Date.now() > 1.7e12);
  });

  it("cannot make code from text", () => {
    // Only bytecode runs, so a flaw that lets text in cannot execute it.
    assert.throws(() => new Function("return 1"), Error);
  });
});
