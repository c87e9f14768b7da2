/** `kumite-launch` as its callers see it, run from the executable of these tests. */
import { encodeUtf8 } from "../../util/text.ts";
import { scratch, textOf } from "../contract/scratch.ts";
import { engineOs } from "../engine/engine-os.ts";
import { assert } from "../engine/testing/assert.ts";
import { describe, it } from "../engine/testing/suite.ts";
import type { ChildProcess, CompanionReport, Descriptor, SpawnRequest } from "../os.ts";
import type { LaunchRequest } from "./request.ts";

const os = engineOs();
const statusFd = 8;

async function start(argument: string, more: Readonly<Record<number, Descriptor>> = {}): Promise<ChildProcess> {
  return os.processes.spawn({
    path: os.self.executable,
    argv: ["kumite-launch", argument],
    env: { FROM: "the launcher" },
    descriptors: { 1: { kind: "stream" }, [statusFd]: { kind: "stream" }, ...more },
  });
}

interface Outcome {
  readonly printed: string;
  readonly failure: string;
  readonly status: unknown;
}

async function outcome(child: ChildProcess): Promise<Outcome> {
  const [printed, failure, status] = await Promise.all([
    textOf(child.streams.get(1)),
    textOf(child.streams.get(statusFd)),
    child.exited,
  ]);
  for (const stream of child.streams.values()) stream.close();
  return { printed, failure, status };
}

async function launch(request: Partial<LaunchRequest>): Promise<Outcome> {
  const whole: LaunchRequest = {
    path: "/bin/sh",
    argv: ["sh", "-c", "echo ran"],
    descriptors: { 1: { kind: "inherit", fd: 1 } },
    status: statusFd,
    ...request,
  };
  return outcome(await start(JSON.stringify(whole)));
}

const ran = { printed: "ran\n", failure: "", status: { kind: "exited", status: 0 } };

describe("the launcher", () => {
  it("becomes the program, and writes nothing to the status descriptor", async () => {
    assert.deepEqual(await launch({}), ran);
  });

  it("passes on its own environment, or the given one", async () => {
    const print = { argv: ["sh", "-c", 'echo "$FROM-$TO"'] };
    assert.equal((await launch(print)).printed, "the launcher-\n");
    assert.equal((await launch({ ...print, env: { TO: "the request" } })).printed, "-the request\n");
  });

  it("leaves only the descriptors of the request, even if they exchange numbers with the status", async () => {
    const { printed } = await launch({
      argv: ["sh", "-c", "ls -l /proc/$$/fd"],
      descriptors: { 1: { kind: "inherit", fd: 1 }, [statusFd]: { kind: "null" } },
    });
    const numbers = [...printed.matchAll(/ (\d+) -> /g)].map(([, number]) => Number(number));
    assert.deepEqual(numbers, [0, 1, 2, statusFd]);
  });

  it("reads a request that is too long or too secret for an argument from a descriptor", async () => {
    const request: LaunchRequest = {
      path: "/bin/sh",
      argv: ["sh", "-c", "echo ran"],
      env: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`V${i}`, "x".repeat(10_000)])),
      descriptors: { 1: { kind: "inherit", fd: 1 } },
      status: statusFd,
    };
    const child = await start("fd:5", { 5: { kind: "stream" } });
    await child.streams.get(5)?.write(encodeUtf8(JSON.stringify(request)));
    await child.streams.get(5)?.end();
    assert.deepEqual(await outcome(child), ran);
  });

  it("reports the failing step in one line of JSON and exits with 127", async () => {
    const failed = { kind: "exited", status: 127 };
    const cases: [Partial<LaunchRequest>, object][] = [
      [{ path: "/nowhere" }, { errno: "ENOENT", call: "exec", subject: "/nowhere" }],
      [{ cwd: "/nowhere" }, { errno: "ENOENT", call: "chdir", subject: "/nowhere" }],
      [{ cgroups: ["/nowhere"] }, { errno: "ENOENT", call: "open", subject: "/nowhere/cgroup.procs" }],
      [
        { cgroups: ["/proc/self/status/x"] },
        { errno: "ENOTDIR", call: "open", subject: "/proc/self/status/x/cgroup.procs" },
      ],
      [{ parentDeathSignal: 9 }, { errno: "EINVAL", call: "prctl", subject: "parent-death signal without a parent" }],
      [
        { parentDeathSignal: 9, parentPid: 1 },
        { errno: "ESRCH", call: "prctl", subject: "parent 1 is gone" },
      ],
      [{ descriptors: { 99999: { kind: "null" } } }, { errno: "EBADF", call: "spawn", subject: "descriptor 99999" }],
    ];
    for (const [request, failure] of cases) {
      const told = await launch(request);
      assert.deepEqual(told, { printed: "", failure: `${JSON.stringify(failure)}\n`, status: failed });
    }
  });

  it("is killed when its parent is, if the request says so", async () => {
    assert.deepEqual(await launch({ parentDeathSignal: 9, parentPid: os.self.pid }), ran);
    // The shell in between is the parent that exits.
    await using dir = await scratch(os);
    const request = JSON.stringify({
      path: "/bin/sleep",
      argv: ["sleep", "1000"],
      descriptors: {},
      status: 9,
      parentDeathSignal: 9,
      parentPid: 0,
    });
    const script = `printf '%s' "$2" | sed "s/\\"parentPid\\":0/\\"parentPid\\":$$/" > "$1/request"
      exec 9> "$1/status" 5< "$1/request"; ln -s "$3" "$1/kumite-launch"
      "$1/kumite-launch" fd:5 & pid=$!
      until grep -q '^sleep' /proc/$pid/cmdline; do :; done; echo $pid; kill -KILL $$`;
    const parent = await os.processes.spawn({
      path: "/bin/sh",
      argv: ["sh", "-c", script, "sh", dir.path, request, os.self.executable],
      env: { PATH: "/usr/bin:/bin" },
      descriptors: { 1: { kind: "stream" } },
    });
    const pid = Number(await textOf(parent.streams.get(1)));
    await parent.exited;
    const info = await os.processes.info(pid);
    if (info !== undefined && info.argv[0] === "sleep") await os.processes.waitGone(info);
    assert.ok(pid > 0);
  });

  it("starts companions first, as children of the program, which has their streams", async () => {
    const echo = (line: string): SpawnRequest => ({
      path: "/bin/sh",
      argv: ["sh", "-c", `read word <&5; echo "${line} $word" >&5`],
      env: {},
      descriptors: { 5: { kind: "stream" } },
      parentDeathSignal: 9,
    });
    // The companions run until they get input. The program is bash, which reaps any child.
    const program =
      "cat <&3; echo; cat /proc/$$/task/$$/children; echo; for fd in 4 5; do echo hears >&$fd; head -n 1 <&$fd; done";
    const { printed, failure, status } = await launch({
      argv: ["bash", "-c", program],
      path: "/bin/bash",
      companions: { at: 3, requests: [echo("one"), echo("two")] },
    });
    assert.deepEqual([failure, status], ["", { kind: "exited", status: 0 }]);
    const [json = "", children = "", ...lines] = printed.trim().split("\n");
    const reports = JSON.parse(json) as CompanionReport[];
    assert.deepEqual(
      reports.map(({ streams, request }) => [streams, request.argv]),
      [
        [{ 5: 4 }, echo("one").argv],
        [{ 5: 5 }, echo("two").argv],
      ],
    );
    assert.deepEqual(lines, ["one hears", "two hears"]);
    assert.ok(reports.every(({ pid }) => children.split(" ").map(Number).includes(pid)));
  });

  it("becomes the program with or without companions; if one fails, the others are ended", async () => {
    const missing: SpawnRequest = { path: "/nowhere", argv: ["x"], env: {}, descriptors: {} };
    const socket = `/tmp/kumite-companion-${os.self.pid}`;
    const listener: SpawnRequest = {
      path: "/bin/sleep",
      argv: ["sleep", "1000"],
      env: {},
      descriptors: { 5: { kind: "listen", path: socket, mode: 0o600 }, 6: { kind: "stream" } },
    };
    const children = "read -r pids </proc/$$/task/$$/children; echo $pids";
    const outcome = await launch({
      argv: ["bash", "-c", `cat <&3; echo; [ -e ${socket} ] && echo bound; ${children}`],
      path: "/bin/bash",
      companions: { at: 3, requests: [listener, missing, { ...missing, path: "/bin/true" }] },
    });
    assert.deepEqual({ ...outcome, printed: outcome.printed.trim() }, { ...ran, printed: "[]" });
  });

  it("exits with 127 without a request", async () => {
    for (const argument of ["", "{}", "fd:77", "nonsense"]) {
      const { printed, status } = await outcome(await start(argument));
      assert.deepEqual([printed, status], ["", { kind: "exited", status: 127 }]);
    }
  });
});
