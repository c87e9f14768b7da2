import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseLaunchRequest } from "./parse-request.ts";
import type { LaunchRequest } from "./request.ts";

const whole: LaunchRequest = {
  path: "/bin/true",
  argv: ["true", ""],
  env: { A: "b" },
  cwd: "/",
  descriptors: {
    0: { kind: "null" },
    1: { kind: "inherit", fd: 7 },
    3: { kind: "listen", path: "/run/s", mode: 0o600 },
    4: { kind: "append", path: "/run/log", mode: 0o640 },
    5: { kind: "readWrite", path: "/run/disk" },
    6: { kind: "connect", path: "/run/s" },
    7: { kind: "read", path: "/run/disk", direct: true },
  },
  status: 9,
  cgroups: ["/sys/fs/cgroup/a"],
  networkNamespace: { path: "/run/netns/a" },
  parentDeathSignal: 9,
  parentPid: 12,
  newSession: true,
  noNewPrivileges: false,
  smallPages: true,
  capabilities: [0, 1],
  ownUser: { group: 107 },
  tree: {
    over: "/run/a",
    entries: [
      { kind: "directory", path: "/usr", readOnly: true },
      { kind: "file", path: "/etc/a", readOnly: false },
      { kind: "device", path: "/dev/kvm", readOnly: false },
      { kind: "link", path: "/lib", target: "usr/lib" },
      { kind: "proc", path: "/proc" },
    ],
  },
  companions: {
    at: 10,
    requests: [{ path: "/bin/cat", argv: ["cat"], env: {}, descriptors: { 0: { kind: "stream" } }, smallPages: true }],
  },
};

const least = { path: "/bin/true", argv: ["true"], descriptors: {}, status: 3 };

describe("a launch request", () => {
  it("is parsed completely as it was sent, and with the required parts only", () => {
    assert.deepEqual(parseLaunchRequest(JSON.stringify(whole)), whole);
    assert.deepEqual(parseLaunchRequest(JSON.stringify({ ...least, networkNamespace: "new" })), {
      ...least,
      networkNamespace: "new",
    });
  });

  const refused: [string, object | string, RegExp][] = [
    ["no JSON", "{", /line 1, column 2/],
    ["no object", "[]", /^request: expected an object/],
    ["a member that is none", { ...least, shell: true }, /^shell: no such member/],
    ["a missing member", { ...least, status: undefined }, /^status: missing/],
    ["a relative path", { ...least, path: "bin/true" }, /^path: expected an absolute path/],
    ["no argument", { ...least, argv: [] }, /^argv: must not be empty/],
    ["an argument that is no text", { ...least, argv: ["a", 1] }, /^argv\[1\]: expected a string/],
    ["a variable that is no text", { ...least, env: { A: 1 } }, /^env\.A: expected a string/],
    ["a relative cgroup", { ...least, cgroups: ["a"] }, /^cgroups\[0\]: expected an absolute path/],
    ["a namespace that is none", { ...least, networkNamespace: "old" }, /^networkNamespace: expected an object/],
    [
      "a descriptor of no kind",
      { ...least, descriptors: { 1: { kind: "x" } } },
      /^descriptors\.1\.kind: expected null/,
    ],
    ["a stream", { ...least, descriptors: { 1: { kind: "stream" } } }, /^descriptors\.1\.kind: expected null/],
    [
      "a negative number",
      { ...least, descriptors: { 1: { kind: "inherit", fd: -1 } } },
      /^descriptors\.1\.fd: expected/,
    ],
    ["a number with a fraction", { ...least, status: 1.5 }, /^status: expected an integer/],
    ["a capability that is no number", { ...least, capabilities: ["all"] }, /^capabilities\[0\]: expected an integer/],
    [
      "an entry of its tree that is of no kind",
      { ...least, tree: { over: "/a", entries: [{ kind: "pipe", path: "/b" }] } },
      /^tree\.entries\[0\]\.kind: expected directory, file, device, link or proc/,
    ],
    [
      "a companion without an environment",
      { ...least, companions: { at: 4, requests: [{ path: "/bin/true", argv: ["true"], descriptors: {} }] } },
      /^companions\.requests\[0\]\.env: missing/,
    ],
    [
      "a companion that has a status",
      { ...least, companions: { at: 4, requests: [{ ...least, env: {} }] } },
      /^companions\.requests\[0\]\.status: no such member/,
    ],
    [
      "a stream of a companion that is to say a number",
      {
        ...least,
        companions: {
          at: 4,
          requests: [{ path: "/a", argv: ["a"], env: {}, descriptors: { 3: { kind: "stream", said: 1 } } }],
        },
      },
      /^companions\.requests\[0\]\.descriptors\.3\.said: expected a string/,
    ],
    ["a truth that is text", { ...least, newSession: "yes" }, /^newSession: expected true or false/],
  ];
  for (const [what, request, message] of refused) {
    it(`with ${what} is refused, naming the place`, () => {
      const text = typeof request === "string" ? request : JSON.stringify(request);
      assert.throws(() => parseLaunchRequest(text), { message });
    });
  }
});
