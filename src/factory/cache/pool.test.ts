import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { deferred } from "../../util/deferred.ts";
import { createLogger } from "../../util/log.ts";
import { Pool, type PooledShim } from "./pool.ts";
import type { CachedShim } from "./protocol.ts";

const log = createLogger({ sink: () => {}, now: () => 0 });

/** Fake shims that start and end when the test says so. */
class Shims {
  readonly started: Fake[] = [];
  readonly start = async (): Promise<PooledShim> => {
    const shim = new Fake(`shim-${this.started.length}`);
    this.started.push(shim);
    return shim;
  };

  async number(index: number): Promise<Fake> {
    return await eventually(`shim ${index}`, () => this.started[index]);
  }
}

class Fake implements PooledShim {
  readonly #ready = deferred<CachedShim>();
  readonly #ended = deferred();
  readonly ready = this.#ready.promise;
  readonly ended = this.#ended.promise;
  readonly name: string;
  stopped = false;

  constructor(name: string) {
    this.name = name;
  }

  isUp(): void {
    this.#ready.resolve({ name: this.name } as CachedShim);
  }
  fails(): void {
    this.#ready.reject(new Error("no boot"));
  }
  ends(): void {
    this.#ended.resolve();
  }
  release(): Promise<void> {
    return this.ended;
  }
  stop(): void {
    this.stopped = true;
    this.ends();
  }
}

const namesIn = (pool: Pool): string[] => pool.machines.map(({ name }) => name);
const until = (pool: Pool, ...names: string[]) =>
  eventually(names.join(), () => (namesIn(pool).join() === names.join() ? true : undefined));

describe("the pool of cached VMs", () => {
  it("gives each VM out once, and replaces those that were taken or have ended", async () => {
    const shims = new Shims();
    const pool = new Pool({ size: 2, start: shims.start, log });
    assert.equal(pool.take(), undefined, "none is up");
    for (const index of [0, 1]) (await shims.number(index)).isUp();
    await until(pool, "shim-0", "shim-1");
    assert.equal(pool.take()?.name, "shim-0");
    assert.deepEqual(namesIn(pool), ["shim-1"]);
    (await shims.number(2)).isUp();
    await until(pool, "shim-1", "shim-2");
    shims.started[1]?.ends();
    (await shims.number(3)).isUp();
    await until(pool, "shim-2", "shim-3");
    shims.started[0]?.ends();
    await pool.close();
    assert.deepEqual(
      shims.started.map(({ stopped }) => stopped),
      [false, false, true, true],
    );
  });

  it("when closed, ends VMs without an owner: ready, starting or promised", async () => {
    const shims = new Shims();
    const pool = new Pool({ size: 3, start: shims.start, log });
    for (const index of [0, 1]) (await shims.number(index)).isUp();
    await until(pool, "shim-0", "shim-1");
    pool.take();
    await pool.close();
    assert.ok(shims.started.every(({ stopped }) => stopped));
    assert.equal(shims.started.length, 3, "and makes no other");
  });

  it("gives up after three failed starts in a row, not before", async () => {
    const shims = new Shims();
    const pool = new Pool({ size: 1, start: shims.start, log });
    let failed: string | undefined;
    void pool.failed.then((why) => {
      failed = why;
    });
    for (const index of [0, 1]) (await shims.number(index)).fails();
    (await shims.number(2)).isUp();
    await until(pool, "shim-2");
    pool.take();
    for (const index of [3, 4]) (await shims.number(index)).fails();
    await shims.number(5);
    assert.equal(failed, undefined);
    shims.started[5]?.fails();
    assert.equal(await pool.failed, "no boot");
    await pool.close();
  });

  it("ends a shim whose VM was not ready in time, before the pool is closed", async () => {
    const shims = new Shims();
    const pool = new Pool({ size: 1, start: shims.start, log });
    (await shims.number(0)).fails();
    (await shims.number(1)).isUp();
    await until(pool, "shim-1");
    assert.deepEqual(
      shims.started.map(({ stopped }) => stopped),
      [true, false],
    );
    await pool.close();
  });

  it("gives up when three VMs in a row end as soon as they are ready", async () => {
    const shims = new Shims();
    const pool = new Pool({ size: 1, start: shims.start, log });
    for (const index of [0, 1, 2]) {
      const shim = await shims.number(index);
      shim.isUp();
      await until(pool, shim.name);
      shim.ends();
    }
    assert.match(await pool.failed, /end as soon as they are ready/);
    await pool.close();
    assert.equal(shims.started.length, 3);
  });
});
