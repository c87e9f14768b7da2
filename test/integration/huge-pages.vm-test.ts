/** A volume of huge pages, as a kubelet prepares it on the host. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { asSandbox, inSandbox } from "../support/pod.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("a volume of huge pages", onlyKumite, () => {
  let place: Workplace;
  let source: string;

  before(async () => {
    place = await Workplace.open("huge");
    source = `${place.path("pods")}/volumes/kubernetes.io~empty-dir/huge`;
    await mkdir(source, { recursive: true });
    await succeed(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "nodev", source]);
  });
  after(async () => {
    await succeed(["umount", source]);
    await place[Symbol.asyncDispose]();
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("has pages of the guest, as many as the container may use, and releases them with the container", async () => {
    const pod = await place.runDetached(await place.bundle(asSandbox(), shell("while :; do sleep 1; done")));
    try {
      const pages = "cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
      const script = `grep ' /huge ' /proc/mounts | cut -d' ' -f3; df -k /huge | tail -1 | awk '{print $2}'; ${pages}
        truncate -s 4M /huge/file && ls -l /huge/file | awk '{print $5}'`;
      const member = await place.bundle(inSandbox(pod), shell(script), (config) => {
        config.mounts.push({ destination: "/huge", type: "bind", source, options: ["rbind"] });
        config.linux.resources = {
          ...config.linux.resources,
          hugepageLimits: [{ pageSize: "2MB", limit: 8 * 1024 * 1024 }],
        };
      });
      const id = place.newId();
      const ran = await place.must(["run", "--bundle", member.directory, id]);
      assert.equal(ran.stdout, "hugetlbfs\n8192\n4\n4194304\n", show(ran));
      assert.equal((await place.must(["exec", pod, "sh", "-c", pages])).stdout, "0\n");
    } finally {
      await place.remove(pod);
    }
  });
});
