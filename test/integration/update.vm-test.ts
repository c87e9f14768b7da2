/** Resource limits as the guest's kernel has them, and their change while the container runs. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Patch, shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const mib = 1024 * 1024;
const endless = "while :; do sleep 1; done";

const limited =
  (resources: Record<string, unknown>): Patch =>
  (config) => {
    config.linux.resources = { ...config.linux.resources, ...resources };
  };

// The guest has cgroup version 2; a host may have version 1.
describe("resources", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("update");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  /** Contents of files in the container's cgroup, as the container sees them. */
  const look = async (id: string, ...files: string[]): Promise<Record<string, string>> => {
    const script = 'cd /sys/fs/cgroup; for f; do echo "$f $(cat $f)"; done';
    const { stdout } = await place.must(["exec", id, "sh", "-c", script, "sh", ...files]);
    return Object.fromEntries(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => [line.split(" ")[0] ?? "", line.slice(line.indexOf(" ") + 1)]),
    );
  };

  it("of every kind reach the guest's kernel", async () => {
    const id = await place.runDetached(
      await place.bundle(
        shell(endless),
        limited({
          memory: { limit: 64 * mib, swap: 96 * mib, reservation: 16 * mib, swappiness: 10 },
          cpu: { shares: 512, quota: 50_000, period: 200_000, burst: 1000, cpus: "0-63", mems: "0" },
          pids: { limit: 32 },
          blockIO: { weight: 500 },
          hugepageLimits: [{ pageSize: "2MB", limit: 4 * mib }],
          network: { classID: 5 },
          unified: { "memory.high": `${60 * mib}`, "cpu.weight.nice": "5" },
        }),
      ),
    );
    const expected = {
      "memory.max": `${64 * mib}`,
      "memory.swap.max": `${32 * mib}`,
      "memory.low": `${16 * mib}`,
      "memory.high": `${60 * mib}`,
      "cpu.max": "50000 200000",
      "cpu.max.burst": "1000",
      "cpu.weight.nice": "5",
      // A quarter of a CPU, in addition to the VM's own: two vCPUs, if the host has two.
      "cpuset.cpus.effective": availableParallelism() > 1 ? "0-1" : "0",
      "pids.max": "32",
      "io.weight": "default 4950",
      "hugetlb.2MB.max": `${4 * mib}`,
    };
    assert.deepEqual(await look(id, ...Object.keys(expected)), expected);
    await place.remove(id);
  });

  it("that no kernel accepts are refused at the create, with the key that asks for them", async () => {
    const refusals: [Record<string, unknown>, RegExp][] = [
      [
        { unified: { "foo.bar": "1" } },
        /unified\["foo\.bar"\].*the requested cgroup controller `foo` is not available/,
      ],
      [{ cpu: { cpus: "one" } }, /linux\.resources\.cpu\.cpus: "one" is not a list of numbers/],
      [
        { hugepageLimits: [{ pageSize: "3MB", limit: 1 }] },
        /hugepageLimits\[0\]\.limit.*hugetlb\.3MB\.max.*no such file or directory/,
      ],
      [
        { blockIO: { throttleReadBpsDevice: [{ major: 240, minor: 9, rate: 1000 }] } },
        /throttleReadBpsDevice\[0\].*240:9 rbps=1000.*no such device/,
      ],
    ];
    for (const [resources, message] of refusals) {
      const finished = await place.run(await place.bundle(shell("true"), limited(resources)));
      assert.equal(finished.status, 1, show(finished));
      assert.match(finished.stderr, message);
    }
  });

  it("are changed by an update: all of those that it names, or none", async () => {
    const id = await place.runDetached(
      await place.bundle(
        shell(endless),
        limited({ memory: { limit: 64 * mib }, cpu: { quota: 50_000 }, pids: { limit: 32 } }),
      ),
    );
    const files = ["memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"];
    const values = async () => Object.values(await look(id, ...files));

    await place.must(["update", "--memory", "96M", "--cpu-period=200000", "--pids-limit", "-1", id]);
    assert.deepEqual(await values(), [`${96 * mib}`, "max", "50000 200000", "100", "max"]);

    const file = path.join(place.directory, "resources.json");
    await writeFile(file, JSON.stringify({ memory: { limit: 0, swap: 128 * mib }, cpu: { shares: 2, cpus: "" } }));
    await place.must(["update", "--resources", file, "--memory=1M", id]);
    assert.deepEqual(await values(), [`${96 * mib}`, `${32 * mib}`, "50000 200000", "1", "max"]);

    const json = JSON.stringify({ pids: { limit: 77 }, memory: null });
    await place.must(["update", "-r", "-", id], { stdin: json });
    const settled = [`${96 * mib}`, `${32 * mib}`, "50000 200000", "1", "77"];
    assert.deepEqual(await values(), settled);

    const impossible = { memory: { limit: 80 * mib }, pids: { limit: 5 }, unified: { "cpu.max": "1 1" } };
    const refused = await place.runtime(["update", "-r", "-", id], { stdin: JSON.stringify(impossible) });
    assert.equal(refused.status, 1, show(refused));
    assert.match(refused.stderr, /linux\.resources\.unified\["cpu\.max"\].*invalid argument/);
    const checked = { memory: { limit: 4096, checkBeforeUpdate: true } };
    const tooSmall = await place.runtime(["update", "-r", "-", id], { stdin: JSON.stringify(checked) });
    assert.match(tooSmall.stderr, /linux\.resources\.memory\.limit is not above the memory in use/, show(tooSmall));
    // Memory that can be reclaimed does not count; the program's own memory cannot be.
    const deadly = await place.runtime(["update", "--memory", "4K", id]);
    assert.equal(deadly.status, 1, show(deadly));
    assert.match(deadly.stderr, /memory\.limit: 4096 is below the \d+ bytes in use, which cannot be freed/);
    assert.deepEqual(await values(), settled);

    const record = JSON.parse(await readFile(path.join(place.root, id, "state.json"), "utf8")) as {
      resources: Record<string, Record<string, unknown>>;
    };
    assert.deepEqual(record.resources.memory, { limit: 96 * mib, swap: 128 * mib });
    assert.deepEqual(record.resources.cpu, { quota: 50_000, period: 200_000, shares: 2 });
    await place.remove(id);
  });

  it("of a stopped container cannot change", async () => {
    const id = await place.runDetached(await place.bundle(shell("true")));
    await place.untilStatus(id, "stopped");
    const finished = await place.runtime(["update", "--memory", "64M", id]);
    assert.match(finished.stderr, /container not running/, show(finished));
    await place.remove(id);
  });
});
