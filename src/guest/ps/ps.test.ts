import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../../util/errors.ts";
import { parsePsArguments } from "./arguments.ts";
import type { MachineFacts, ProcessFacts } from "./facts.ts";
import { renderTable } from "./table.ts";

const machine: MachineFacts = { nowMs: Date.UTC(2024, 1, 29, 12, 30), uptimeSeconds: 200_000, memoryKib: 1000 };
const shell: ProcessFacts = {
  pid: 7,
  parentPid: 1,
  group: 7,
  session: 7,
  uid: 0,
  realUid: 0,
  gid: 0,
  name: "sh",
  args: ["sh", "-c", "sleep 9"],
  state: "S",
  nice: 0,
  priority: 20,
  threads: 1,
  lockedMemory: false,
  terminal: 0x8801,
  foreground: true,
  cpuSeconds: 75,
  startSeconds: 199_400,
  virtualKib: 2048,
  residentKib: 105,
};
const zombie: ProcessFacts = {
  ...shell,
  pid: 1234,
  parentPid: 7,
  uid: 1000,
  name: "bad\u001b[31m",
  args: [],
  state: "Z",
  terminal: 0,
  foreground: false,
  nice: 5,
  startSeconds: 10,
  cpuSeconds: 90_061,
};
const table = (...args: string[]) => renderTable(parsePsArguments(args), [shell, zombie], machine).split("\n");

describe("ps", () => {
  it("shows -ef by default", () => {
    const expected = [
      "UID   PID PPID  C STIME TTY         TIME CMD",
      "root    7    1 12 12:20 pts/1   00:01:15 sh -c sleep 9",
      "1000 1234    7 45 Feb27 ?     1-01:01:01 [bad?[31m] <defunct>",
      "",
    ];
    assert.deepEqual(table(), expected);
    for (const same of [["-ef"], ["-e", "-f"], ["-fAww"]]) assert.deepEqual(table(...same), expected, same.join(" "));
  });

  it("shows aux in its usual forms", () => {
    const expected = [
      "USER  PID %CPU %MEM  VSZ RSS TTY   STAT START    TIME COMMAND",
      "root    7 12.5 10.5 2048 105 pts/1 Ss+  12:20    1:15 sh -c sleep 9",
      "1000 1234 45.0 10.5 2048 105 ?     ZN   Feb27 1501:01 [bad?[31m] <defunct>",
      "",
    ];
    for (const same of [["aux"], ["-aux"], ["ax", "u"], ["u", "ax"], ["auxww"]]) {
      assert.deepEqual(table(...same), expected, same.join(" "));
    }
  });

  it("shows selected columns, in all forms of selecting them", () => {
    for (const same of [["-o", "pid,comm"], ["-eo", "pid,comm"], ["-opid", "-o", "comm"], ["--format=pid,comm"]]) {
      assert.deepEqual(table(...same), [" PID COMMAND", "   7 sh", "1234 bad?[31m", ""], same.join(" "));
    }
    assert.deepEqual(table("-o", "pid=,ppid="), ["   7 1", "1234 7", ""]);
    assert.deepEqual(table("-o", "ppid,pid=THE, ID"), ["PPID THE, ID", "   1       7", "   7    1234", ""]);
    assert.deepEqual(table("-o", "pid", "--no-headers"), ["   7", "1234", ""]);
    assert.deepEqual(table("-o", "etime,uid"), ["   ELAPSED  UID", "     10:00    0", "2-07:33:10 1000", ""]);
  });

  it("refuses unknown arguments, and names them", () => {
    const refused = (what: RegExp) => (error: unknown) =>
      isKumiteError(error, "usage/invalid") && what.test(error.message);
    for (const word of ["-L", "--forest", "-p", "e", "f", "-", "--sort=pid"]) {
      assert.throws(() => table(word), refused(new RegExp(`"${word}" is not supported`)), word);
    }
    assert.throws(() => table("-o", "pid,secret"), refused(/unknown column "secret"/));
    assert.throws(() => table("-o"), refused(/-o needs a list of columns/));
    assert.throws(() => table("--format"), refused(/--format needs a list/));
  });
});
