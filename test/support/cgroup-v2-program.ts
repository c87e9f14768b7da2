/**
 * Runs on the small engine, in a container of a guest whose kernel has every controller in cgroup version 2: does with
 * a process what the product does with a VM's threads, and prints the resulting state of the kernel as JSON.
 */
import { mergeCpuLimits } from "../../src/cgroups/cpu-limit.ts";
import { limitVcpus } from "../../src/cgroups/vcpu-group.ts";
import { removeCgroup } from "../../src/persist/undo-cgroup.ts";
import { engineOs } from "../../src/sys/engine/engine-os.ts";
import { encodeUtf8 } from "../../src/util/text.ts";

const os = engineOs();
const root = "/sys/fs/cgroup";
const machine = `${root}/kumite/one/vm`;
const never = new AbortController().signal;

function busy(cgroup: string) {
  const argv = ["sh", "-c", "while :; do :; done"];
  return os.processes.spawn({ path: "/bin/sh", argv, env: {}, descriptors: {}, cgroups: [cgroup] });
}

async function read(file: string): Promise<string> {
  return (await os.files.readText(file)).trim();
}

async function main(): Promise<void> {
  // A group that enables controllers for its children cannot have processes.
  await os.files.makeDir(`${root}/test`, 0o755);
  await os.files.write(`${root}/test/cgroup.procs`, String(os.self.pid));

  await os.files.makeDirs(machine, 0o755);
  const vmm = await busy(machine);
  const limit = mergeCpuLimits([
    { quota: 5000, period: 10_000 },
    { quota: 40, period: 100 },
  ]);
  const first = await limitVcpus(os, [machine], [vmm.pid, 0, 999_999], limit);
  const vcpu = `${machine}/vcpu`;
  const merged = await read(`${vcpu}/cpu.max`);
  await limitVcpus(os, [machine], [vmm.pid], { quotaUs: 20_000, periodUs: 100_000 });
  const changed = await read(`${vcpu}/cpu.max`);
  let throttled = 0;
  while (throttled === 0) {
    throttled = Number(/^nr_throttled (\d+)$/m.exec(await read(`${vcpu}/cpu.stat`))?.[1]);
    await new Promise<void>((resolve) => setTimeout(resolve, 20));
  }
  const types = [await read(`${machine}/cgroup.type`), await read(`${vcpu}/cgroup.type`)];
  const threads = (await read(`${vcpu}/cgroup.threads`)).split("\n").map(Number);
  const members = (await read(`${machine}/cgroup.procs`)).split("\n").map(Number);
  await limitVcpus(os, [machine], [vmm.pid], undefined);
  const unlimited = await read(`${vcpu}/cpu.max`);
  await removeCgroup(os, machine, never);
  const left = (await os.files.status(machine)) !== undefined;

  // A foreign group with a process in it enables no controllers for its children.
  await os.files.makeDir(`${root}/other`, 0o755);
  const other = await busy(`${root}/other`);
  await os.files.makeDir(`${root}/other/vm`, 0o755);
  const refused = await limitVcpus(os, [`${root}/other/vm`], [other.pid], limit);
  await removeCgroup(os, `${root}/other`, never);

  const result = {
    first,
    merged,
    changed,
    throttled: throttled > 0,
    types,
    onlyThread: threads.length === 1 && threads[0] === vmm.pid,
    isMember: members.includes(vmm.pid),
    unlimited,
    left,
    refused,
  };
  await os.self.stream(1).write(encodeUtf8(`${JSON.stringify(result)}\n`));
  os.self.exit(0);
}

void main();
