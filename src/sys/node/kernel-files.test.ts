import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, it } from "node:test";
import { isKernelFile, readKernelFile } from "./kernel-files.ts";

const limitBytes = 16 * 1024 * 1024;

describe("a file of the kernel", () => {
  it("is below /proc or a cgroup, and not behind a link that leads elsewhere", () => {
    for (const path of ["/proc/self/uid_map", "/proc/cpuinfo", "/proc/12/stat", "/sys/fs/cgroup/a/root.x/memory.max"]) {
      assert.ok(isKernelFile(path), path);
    }
    const others = [
      "/proc/1/root/etc/passwd",
      "/proc/self/fd/3",
      "/proc/1/cwd",
      "/proc/1/task/2/root/a",
      "/sys/block/sda",
    ];
    for (const path of [...others, "/procedure/a", "/etc/passwd"]) assert.ok(!isKernelFile(path), path);
  });

  it("is read to its end, however long it is", () => {
    const text = Buffer.from(readKernelFile("/proc/self/status", limitBytes)).toString();
    assert.match(text, /^Name:.*\n(?:.*\n)*VmPeak:/);
    const value = "x".repeat(100_000);
    const child = spawn("sleep", ["60"], { env: { A: value, B: value }, stdio: "ignore" });
    try {
      const environment = Buffer.from(readKernelFile(`/proc/${child.pid}/environ`, limitBytes)).toString();
      assert.equal(environment, `A=${value}\0B=${value}\0`);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("is refused if it is longer than allowed, and is told to be missing", () => {
    assert.throws(() => readKernelFile("/proc/self/status", 10), { errno: "EFBIG" });
    assert.throws(() => readKernelFile("/proc/self/nothing", limitBytes), { code: "ENOENT" });
  });
});
