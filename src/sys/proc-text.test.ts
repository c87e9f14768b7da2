import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseArguments, parseMountTable, parseProcessStat } from "./proc-text.ts";

const numbers = Array.from({ length: 48 }, (_, i) => i + 5).join(" ");

describe("files of /proc", () => {
  it("contain state, parent and start time of a process, whatever its name is", () => {
    for (const name of ["sh", "a b", "x) R 1 (y", ")"]) {
      const stat = parseProcessStat(`12 (${name}) S 4 ${numbers}\n`);
      assert.deepEqual(stat, { state: "S", parentPid: 4, startTicks: 22 }, name);
    }
  });

  it("contain the arguments of a process, including empty ones", () => {
    assert.deepEqual(parseArguments("sh\0-c\0\0x y\0"), ["sh", "-c", "", "x y"]);
    assert.deepEqual(parseArguments("changed its title"), ["changed its title"]);
    assert.deepEqual(parseArguments(""), []);
  });

  it("contain mounts with any number of optional fields and with escaped names", () => {
    const text = `22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
36 35 98:0 /a\\040b /mnt/c\\134\\011\\012d rw,noatime - ext4 /dev/sd\\043a rw,errors=continue
40 36 0:5 / / rw shared:1 master:2 propagate_from:3 unbindable - tmpfs - rw
`;
    assert.deepEqual(parseMountTable(text), [
      {
        id: 22,
        parentId: 28,
        root: "/",
        target: "/sys",
        type: "sysfs",
        source: "sysfs",
        options: ["rw", "nosuid", "rw"],
        optionalFields: ["shared:7"],
      },
      {
        id: 36,
        parentId: 35,
        root: "/a b",
        target: "/mnt/c\\\t\nd",
        type: "ext4",
        source: "/dev/sd#a",
        options: ["rw", "noatime", "rw", "errors=continue"],
        optionalFields: [],
      },
      {
        id: 40,
        parentId: 36,
        root: "/",
        target: "/",
        type: "tmpfs",
        source: "-",
        options: ["rw", "rw"],
        optionalFields: ["shared:1", "master:2", "propagate_from:3", "unbindable"],
      },
    ]);
    assert.deepEqual(parseMountTable(""), []);
  });
});
