import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHelperRequest } from "./parse-request.ts";
import type { HelperRequest } from "./protocol.ts";

const requests: HelperRequest[] = [
  {
    id: 1,
    kind: "mount",
    request: { target: "/a", flags: ["bind"], source: "/b", type: "t", data: "d", beneath: "/" },
  },
  { id: 2, kind: "mount", request: { target: "/a", flags: [] } },
  { id: 3, kind: "unmount", target: "/a", lazy: true },
  { id: 4, kind: "lock", path: "/a" },
  { id: 5, kind: "unlock", handle: 1 },
  { id: 6, kind: "signal", process: { pid: 1, startTicks: 2 }, signal: 15 },
  { id: 7, kind: "waitGone", process: { pid: 1, startTicks: 2 } },
  { id: 8, kind: "cancel", request: 7 },
];

describe("a request to the helper", () => {
  for (const request of requests) {
    it(`to ${request.kind} (${request.id}) is parsed as it was sent`, () => {
      assert.deepEqual(parseHelperRequest(JSON.stringify(request)), request);
    });
  }

  const refused: [unknown, RegExp][] = [
    [[], /^request: expected an object/],
    [{ kind: "lock", path: "/a" }, /^id: expected an integer/],
    [{ id: -1, kind: "lock", path: "/a" }, /^id: expected an integer/],
    [{ id: 1, kind: "exec", path: "/bin/sh" }, /^kind: "exec" is not a known kind/],
    [{ id: 1, kind: "lock" }, /^path: expected a string/],
    [{ id: 1, kind: "unmount", target: "/a" }, /^lazy: expected true or false/],
    [{ id: 1, kind: "mount", request: { target: "/a", flags: "ro" } }, /^request\.flags: expected an array/],
    [{ id: 1, kind: "mount", request: { target: "/a", flags: [1] } }, /^request\.flags\[0\]: expected a string/],
    [{ id: 1, kind: "mount", request: { target: "/a", flags: [], source: 5 } }, /^request\.source: expected a string/],
    [{ id: 1, kind: "signal", process: { pid: 1.5, startTicks: 0 }, signal: 1 }, /^process\.pid: expected an integer/],
    [{ id: 1, kind: "signal", process: 1, signal: 1 }, /^process: expected an object/],
  ];
  for (const [request, message] of refused) {
    it(`like ${JSON.stringify(request)} is refused, naming the place`, () => {
      assert.throws(() => parseHelperRequest(JSON.stringify(request)), { message });
    });
  }
});
