/** What is reported about a running container: processes, statistics, lack of memory. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { begin, describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const mib = 1024 * 1024;
const eater = 'BEGIN { s = "0123456789abcdef"; while (1) s = s s }';

interface Event {
  readonly type: string;
  readonly id: string;
  readonly data: {
    readonly cpu: { readonly usage: { readonly total: number } };
    readonly memory: { readonly usage: { readonly usage: number; readonly limit: number }; readonly raw: object };
    readonly pids: { readonly current: number; readonly limit?: number };
  };
}

const parse = (line: string): Event => JSON.parse(line) as Event;

describe("a running container", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("events");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("reports its processes, as pids of the host and as a table", async () => {
    const id = await place.runDetached(await place.bundle(shell("sleep 1000 & sleep 1001 & wait")));
    const pids = JSON.parse((await place.must(["ps", "--format", "json", id])).stdout) as number[];
    assert.ok(pids.includes((await place.state(id)).pid ?? 0));
    await eventually("all of its processes are in the table", async () => {
      const table = (await place.must(["ps", id])).stdout;
      assert.match(table, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n/);
      return / sleep 1000\n(.*\n)?.* sleep 1001\n/.test(table) ? true : undefined;
    });
    assert.match((await place.must(["ps", id, "-o", "args="])).stdout, /^sleep 1001$/m);
    assert.match((await place.must(["ps", id, "aux"])).stdout, /^USER +PID +%CPU/);
    const refused = await place.runtime(["ps", id, "--nonsense"]);
    assert.notEqual(refused.status, 0, show(refused));
    await place.remove(id);
    assert.match((await place.runtime(["ps", id])).stderr, /does not exist/);
  });

  it("reports statistics with the limits that it was given", onlyKumite, async () => {
    const bundle = await place.bundle(shell("dd if=/dev/zero of=/dev/null bs=1M count=50; sleep 1000"), (config) => {
      config.linux.resources = { ...config.linux.resources, memory: { limit: 64 * mib }, pids: { limit: 20 } };
    });
    const id = await place.runDetached(bundle);
    const finished = await place.must(["events", "--stats", id]);
    const { type, id: of, data } = parse(finished.stdout);
    assert.deepEqual([type, of], ["stats", id]);
    assert.deepEqual(Object.keys(data), [
      "cpu",
      "cpuset",
      "memory",
      "pids",
      "blkio",
      "hugetlb",
      "intel_rdt",
      "network_interfaces",
    ]);
    assert.equal(data.memory.usage.limit, 64 * mib);
    assert.ok(data.memory.usage.usage > 0 && data.memory.usage.usage < 64 * mib);
    assert.ok("anon" in data.memory.raw && "file" in data.memory.raw);
    assert.ok(data.cpu.usage.total > 0);
    assert.deepEqual([data.pids.limit, data.pids.current > 0], [20, true]);
    assert.match(finished.stdout, /"swap":\{"limit":18446744073709551615,/);
    await place.remove(id);
  });

  it("reports each lack of memory at once, including the one that ends it", onlyKumite, async () => {
    const bundle = await place.bundle(shell(`awk '${eater}'; read line; exec awk '${eater}'`), (config) => {
      config.linux.resources = { ...config.linux.resources, memory: { limit: 32 * mib, swap: 32 * mib } };
    });
    const id = place.newId();
    const fifo = place.path("input");
    // The container's input stays open until the test lets the container continue.
    const container = begin(
      [
        "sh",
        "-c",
        'mkfifo "$0"; exec "$@" 0<>"$0" >/dev/null 2>&1',
        fifo,
        ...place.argv("run", "--bundle", bundle.directory, id),
      ],
      {},
    );
    await place.untilStatusOf(id, "running");
    const inContainer = async (script: string) => Number((await place.must(["exec", id, "sh", "-c", script])).stdout);
    const kills = "sed -n 's/^oom_kill //p' /sys/fs/cgroup/memory.events";
    await eventually("the first one is over", async () => ((await inContainer(kills)) === 1 ? true : undefined));
    const events = place.begin(["events", "--interval", "1s", id]);
    await events.untilOutput('"type":"stats"');
    // The processes are killed within a moment of each other: no event is lost.
    const killed = await inContainer(`for i in 1 2 3 4 5 6; do awk '${eater}' & done; wait; ${kills}`);
    assert.ok(killed >= 7, `${killed} processes were killed`);
    const soFar = async () => (await events.untilOutput("")).split('"type":"oom"').length - 1;
    await eventually("each one is told", async () => ((await soFar()) >= killed - 1 ? true : undefined));
    begin(["sh", "-c", 'echo go > "$0"', fifo]);
    await container.finished;
    const { status, stdout } = await events.finished;
    assert.equal(status, 0);
    const told = stdout
      .trimEnd()
      .split("\n")
      .map(parse)
      .filter(({ type }) => type === "oom");
    assert.ok(told.length >= killed, stdout);
    assert.deepEqual(told.at(-1), { type: "oom", id });
  });

  it("ends the stream of events when it ends, even within the interval", async () => {
    const id = await place.runDetached(await place.bundle(shell("read line")));
    const bundle = await place.bundle(shell("sleep 1000"), (config) => {
      config.linux.resources = { ...config.linux.resources, memory: { limit: 32 * mib, swap: 32 * mib } };
    });
    const id2 = await place.runDetached(bundle);
    const events = place.begin(["events", "--interval", "1h", id2]);
    // A caller that asks after the end is told that there is nothing to follow. This one follows when it tells a kill.
    await eventually("the stream of events has begun", async () => {
      await place.runtime(["exec", id2, "awk", eater]);
      return (await events.untilOutput("")).includes('"type":"oom"') ? true : undefined;
    });
    await place.must(["kill", id2, "KILL"]);
    assert.equal((await events.finished).status, 0);
    const refused = await place.runtime(["events", "--interval", "0s", id]);
    assert.notEqual(refused.status, 0);
    await place.untilStatus(id, "stopped");
    assert.match((await place.runtime(["events", "--stats", id])).stderr, /not running/);
    await place.remove(id);
    await place.remove(id2);
  });
});
