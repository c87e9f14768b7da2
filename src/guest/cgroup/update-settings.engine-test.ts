/**
 * The kernel's answers are tested in VMs. Here plain files stand for those of a cgroup, and a kernel file for one that
 * refuses.
 */
import { scratch } from "../../sys/contract/scratch.ts";
import { engineOs } from "../../sys/engine/engine-os.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { silentLogger } from "../../util/log.ts";
import type { CgroupSetting } from "../spec/plan.ts";
import { updateSettings } from "./update-settings.ts";

const os = engineOs();

async function place(files: Readonly<Record<string, string>>) {
  const directory = await scratch(os);
  await os.files.write(`${directory.path}/cgroup.controllers`, "io memory\n");
  await os.files.symlink("/proc/self/oom_score_adj", `${directory.path}/refusing.max`);
  for (const [name, text] of Object.entries(files)) await os.files.write(`${directory.path}/${name}`, text);
  const noted: string[] = [];
  return {
    noted,
    update: (settings: readonly Omit<CgroupSetting, "key">[]): void =>
      updateSettings(
        { directory: directory.path, enableControllersOf: () => {} },
        settings.map((setting) => ({ ...setting, key: "the.key" })),
        {
          onMissing: (_, why) => {
            throw why;
          },
          notApplied: (phrase) => noted.push(phrase),
        },
        silentLogger,
      ),
    // Plain files are neither appended to nor truncated, like those of a cgroup, so the first line is what was written.
    read: async (name: string) => (await os.files.readText(`${directory.path}/${name}`)).split("\n")[0],
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const refused = { file: "refusing.max", value: "nonsense" };

describe("settings of a cgroup in use", () => {
  it("change together", async () => {
    await using cgroup = await place({ "pids.max": "max\n", "memory.low": "0\n" });
    cgroup.update([
      { file: "pids.max", value: "100" },
      { file: "memory.low", value: "4096" },
    ]);
    assert.deepEqual([await cgroup.read("pids.max"), await cgroup.read("memory.low")], ["100", "4096"]);
  });

  it("are restored when one of them is refused, including those of single devices", async () => {
    const before = {
      "pids.max": "max\n",
      "cpuset.cpus": "\n",
      "io.max": "8:0 rbps=5 wbps=max\n",
      "io.weight": "default 100\n8:0 50\n",
    };
    await using cgroup = await place(before);
    const tries = [
      { setting: { file: "pids.max", value: "7" }, after: "max" },
      { setting: { file: "cpuset.cpus", value: "0" }, after: "" },
      { setting: { file: "io.max", value: "8:0 rbps=9" }, after: "8:0 rbps=5 wbps=max" },
      { setting: { file: "io.max", value: "8:16 rbps=9" }, after: "8:16 rbps=max wbps=max riops=max wiops=max" },
      { setting: { file: "io.weight", value: "77" }, after: "default 100" },
      { setting: { file: "io.weight", value: "8:0 77" }, after: "8:0 50" },
      { setting: { file: "io.weight", value: "8:16 77" }, after: "8:16 default" },
    ];
    for (const { setting, after } of tries) {
      await using own = await place(before);
      assert.throws(() => own.update([setting, refused]), { code: "cgroup/failed" });
      assert.equal(await own.read(setting.file), after, `${setting.file}=${setting.value}`);
    }
    assert.throws(() => cgroup.update([refused]), {
      message: /^the\.key: setting refusing\.max to "nonsense": write .*: invalid argument/,
    });
  });

  it("use whichever file exists", async () => {
    await using cgroup = await place({ "io.weight": "default 100\n" });
    cgroup.update([
      { file: "io.bfq.weight", value: "10", instead: { file: "io.weight", value: "1" } },
      { file: "hugetlb.2MB.rsvd.max", value: "5", optional: true },
    ]);
    assert.equal(await cgroup.read("io.weight"), "1efault 100");
  });

  it("name the missing controller, or else the file", async () => {
    await using cgroup = await place({});
    assert.throws(() => cgroup.update([{ file: "foo.bar", value: "5" }]), {
      message: /^the\.key: cannot set foo\.bar to "5": the requested cgroup controller `foo` is not available$/,
    });
    assert.throws(() => cgroup.update([{ file: "memory.bar", value: "5" }]), {
      message: /cannot set memory\.bar to "5": no such file or directory$/,
    });
  });

  it("are restricted to the VM's CPUs, which is logged", async () => {
    await using cgroup = await place({ "cpuset.cpus": "\n", "cpuset.mems": "\n" });
    cgroup.update([
      { file: "cpuset.cpus", value: "0,4000-5000" },
      { file: "cpuset.mems", value: "0" },
    ]);
    assert.deepEqual([await cgroup.read("cpuset.cpus"), await cgroup.read("cpuset.mems")], ["0", "0"]);
    assert.deepEqual(cgroup.noted, ["the.key: 4000-5000, which the VM does not have"]);
    cgroup.update([{ file: "cpuset.cpus", value: "4000" }]);
    assert.equal(await cgroup.read("cpuset.cpus"), "0");
    assert.ok(cgroup.noted[1]?.startsWith("the.key: 4000, none of which the VM has: its processors are 0"));
    const message = /the\.key: "zero" is not a list of numbers/;
    assert.throws(() => cgroup.update([{ file: "cpuset.cpus", value: "zero" }]), { code: "cgroup/failed", message });
  });
});
