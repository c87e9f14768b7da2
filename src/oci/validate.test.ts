import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { defaultSpec } from "./default-spec.ts";
import { validateProcess, validateSpec } from "./validate.ts";

const file = "/b/config.json";

/** A copy of the default specification with one value replaced; `path` as in error messages. */
function specWith(path: string, value: unknown): unknown {
  const spec = structuredClone(defaultSpec()) as unknown as Record<string, unknown>;
  const keys = path.match(/[^.[\]]+/g) ?? [];
  let holder: Record<string, unknown> = spec;
  for (const key of keys.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
  holder[keys.at(-1) ?? ""] = value;
  return spec;
}

function complaint(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    assert.ok(isKumiteError(error, "oci/spec-invalid"), String(error));
    return error.message;
  }
  return "accepted";
}

describe("a specification", () => {
  it("is accepted as kumite writes it", () => {
    assert.equal(
      complaint(() => validateSpec(defaultSpec(), file)),
      "accepted",
    );
  });

  const wrong: readonly [path: string, value: unknown, message: string][] = [
    ["ociVersion", undefined, "ociVersion is missing"],
    ["ociVersion", "2.0.0", 'ociVersion is not a 1.x version of the runtime specification: "2.0.0"'],
    ["ociVersion", 1, "ociVersion is wrong: expected a string, got 1"],
    ["process", "sh", 'process is wrong: expected an object, got "sh"'],
    ["process", [], "process is wrong: expected an object, got an array"],
    ["process.args", "sh", 'process.args is wrong: expected an array, got "sh"'],
    ["process.args", [], "process.args[0] is missing"],
    ["process.args", [""], "process.args[0] must not be empty"],
    ["process.args", ["a", 1], "process.args[1] is wrong: expected a string, got 1"],
    ["process.args", ["a\0b"], 'process.args[0] must not contain a NUL character: "a\\u0000b"'],
    ["process.cwd", "tmp", 'process.cwd must be an absolute path: "tmp"'],
    ["process.cwd", undefined, "process.cwd is missing"],
    ["process.env", { A: "b" }, "process.env is wrong: expected an array, got an object"],
    ["process.terminal", "yes", 'process.terminal is wrong: expected true or false, got "yes"'],
    ["process.user.uid", -1, "process.user.uid is wrong: expected an id from 0 to 4294967294"],
    ["process.user.uid", 1.5, "process.user.uid is wrong: expected an id from 0 to 4294967294"],
    // To the kernel this means "leave as it is": the process would stay root.
    ["process.user.uid", 4294967295, "process.user.uid is wrong: expected an id from 0 to 4294967294"],
    ["process.user.gid", 4294967295, "process.user.gid is wrong: expected an id from 0 to 4294967294"],
    ["process.user.additionalGids", [0, "x"], 'process.user.additionalGids[1] is wrong: expected a number, got "x"'],
    ["process.oomScoreAdj", 1001, "process.oomScoreAdj is wrong: expected an integer from -1000 to 1000"],
    ["process.capabilities", "CAP_KILL", 'process.capabilities is wrong: expected an object, got "CAP_KILL"'],
    ["process.rlimits[0].hard", "1024", 'process.rlimits[0].hard is wrong: expected a number, got "1024"'],
    ["root.path", "", "root.path must not be empty"],
    ["root.readonly", 1, "root.readonly is wrong: expected true or false, got 1"],
    ["hostname", "x".repeat(65), `hostname is longer than 64 bytes: "${"x".repeat(59)}…`],
    ["hostname", "é".repeat(33), `hostname is longer than 64 bytes: "${"é".repeat(33)}"`],
    ["domainname", "x".repeat(65), `domainname is longer than 64 bytes: "${"x".repeat(59)}…`],
    ["mounts", {}, "mounts is wrong: expected an array, got an object"],
    ["mounts[0].destination", "", "mounts[0].destination must not be empty"],
    ["mounts[0].options", "ro", 'mounts[0].options is wrong: expected an array, got "ro"'],
    ["annotations", { a: 1 }, "annotations.a is wrong: expected a string, got 1"],
    ["annotations", { "a.b/c": 1 }, 'annotations["a.b/c"] is wrong: expected a string, got 1'],
    ["linux", 5, "linux is wrong: expected an object, got 5"],
    [
      "linux.namespaces[0].type",
      "net",
      'linux.namespaces[0].type is wrong: expected ("pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time"), got "net"',
    ],
    ["linux.resources.memory", { limit: "1g" }, 'linux.resources.memory.limit is wrong: expected a number, got "1g"'],
    [
      "linux.resources.unified",
      { "memory.max": 5 },
      'linux.resources.unified["memory.max"] is wrong: expected a string, got 5',
    ],
    ["linux.maskedPaths", ["proc/kcore"], 'linux.maskedPaths[0] must be an absolute path: "proc/kcore"'],
    ["linux.seccomp", { defaultAction: 1 }, "linux.seccomp.defaultAction is wrong: expected a string, got 1"],
    ["hooks", { poststop: [{ path: "rel" }] }, 'hooks.poststop[0].path must be an absolute path: "rel"'],
  ];
  for (const [path, value, message] of wrong) {
    it(`is refused: ${message}`, () => {
      assert.equal(
        complaint(() => validateSpec(specWith(path, value), file)),
        `${file}: ${message}`,
      );
    });
  }

  it("is refused if it is not an object", () => {
    assert.equal(
      complaint(() => validateSpec([], file)),
      `${file}: the document is wrong: expected an object, got an array`,
    );
  });

  it("keeps keys of other versions of the specification", () => {
    const spec = validateSpec(specWith("linux.timeOffsets", { boottime: { secs: 1 } }), file);
    assert.deepEqual((spec.linux as Record<string, unknown>).timeOffsets, { boottime: { secs: 1 } });
  });

  it("may have limits that mean infinity", () => {
    const limits = [{ type: "RLIMIT_CORE", hard: 18446744073709551615n, soft: 0 }].map((limit) => ({
      ...limit,
      hard: Number(limit.hard),
    }));
    assert.equal(
      complaint(() => validateSpec(specWith("process.rlimits", limits), file)),
      "accepted",
    );
  });
});

describe("a process document", () => {
  it("is refused with the key", () => {
    assert.equal(
      complaint(() => validateProcess({ args: ["sh"] }, "/p.json")),
      "/p.json: cwd is missing",
    );
  });
});

describe("the default specification", () => {
  it("is a fresh copy at every call", () => {
    const first = defaultSpec();
    first.process.args[0] = "changed";
    assert.equal(defaultSpec().process.args[0], "sh");
  });
});
