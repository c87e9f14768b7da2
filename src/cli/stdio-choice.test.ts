import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseStdio, refusePreservedFds } from "./stdio-choice.ts";

describe("the streams of a new process", () => {
  it("are inherited, a terminal of the caller, or a terminal for an engine", () => {
    const none = { terminal: false, consoleSocket: undefined, callerHasTerminal: () => true };
    assert.deepEqual(chooseStdio({ ...none, foreground: false }), { kind: "streams" });
    assert.deepEqual(chooseStdio({ ...none, foreground: true }), { kind: "streams" });
    assert.deepEqual(chooseStdio({ ...none, terminal: true, foreground: true }), { kind: "terminal" });
    assert.deepEqual(chooseStdio({ ...none, terminal: true, consoleSocket: "/s", foreground: false }), {
      kind: "console-socket",
      path: "/s",
    });
  });

  it("are refused when nobody would hold the terminal", () => {
    const wish = { terminal: true, consoleSocket: undefined, callerHasTerminal: () => false };
    assert.throws(() => chooseStdio({ ...wish, foreground: false }), {
      code: "usage/invalid",
      message: /needs --console-socket/,
    });
    assert.throws(() => chooseStdio({ ...wish, foreground: true }), {
      code: "usage/invalid",
      message: /none of the standard streams is one/,
    });
  });

  it("are refused when a console socket has no use", () => {
    for (const [terminal, foreground] of [
      [false, false],
      [false, true],
      [true, true],
    ] as const) {
      const wish = { terminal, consoleSocket: "/s", foreground, callerHasTerminal: () => true };
      assert.throws(() => chooseStdio(wish), { code: "usage/invalid", message: /--console-socket/ });
    }
  });

  it("are never descriptors of the host beyond the first three", () => {
    refusePreservedFds(undefined);
    refusePreservedFds(0);
    assert.throws(() => refusePreservedFds(2), { code: "oci/unsupported", message: /--preserve-fds 2/ });
  });
});
