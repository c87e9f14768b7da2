import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nodeOs } from "../sys/node/node-os.ts";
import type { SignalEvent } from "../sys/os.ts";
import { signalNumbers } from "../util/signals.ts";
import { watchSignals } from "./interruption.ts";

const { SIGINT, SIGTERM, SIGUSR1 } = signalNumbers;

function watched(graceMs?: number) {
  const os = nodeOs({ installRoot: "/nowhere" });
  let deliver: (event: SignalEvent) => void = () => {};
  const onSignals = (_signals: readonly number[], handler: typeof deliver): void => {
    deliver = handler;
  };
  const self = { ...os.self, onSignals };
  const interruption = watchSignals({ ...os, self }, graceMs);
  const send = (signal: number, fromKernel = false) => deliver({ signal, fromKernel, senderPid: 1 });
  return { interruption, send };
}

describe("a signal to a verb", () => {
  it("ends the verb, with the signal's name, while it creates something", () => {
    const { interruption, send } = watched();
    send(SIGUSR1);
    assert.equal(interruption.signal.aborted, false);
    send(SIGINT, true);
    assert.match(String(interruption.signal.reason), /ended by SIGINT/);
  });

  it("goes to the program once that runs", () => {
    const { interruption, send } = watched();
    const passed: number[] = [];
    interruption.passOnTo((signal) => passed.push(signal));
    send(SIGTERM);
    send(SIGUSR1);
    assert.deepEqual([passed, interruption.signal.aborted], [[SIGTERM, SIGUSR1], false]);
  });

  it("goes to a program that is being started, and also ends the verb if the start is not answered", async () => {
    const { interruption, send } = watched(20);
    const passed: number[] = [];
    interruption.passOnWhileStarting((signal) => passed.push(signal));
    send(SIGUSR1);
    send(SIGINT, true);
    send(SIGTERM);
    assert.deepEqual([passed, interruption.signal.aborted], [[SIGTERM], false]);
    await new Promise((resolve) => interruption.signal.addEventListener("abort", resolve));
    assert.match(String(interruption.signal.reason), /ended by SIGINT/);
  });

  it("during a start that is answered ends only the program", async () => {
    const { interruption, send } = watched(5);
    const passed: number[] = [];
    const starting = interruption.passOnWhileStarting((signal) => passed.push(signal));
    send(SIGTERM);
    starting.started();
    interruption.passOnTo((signal) => passed.push(signal));
    send(SIGINT);
    const later = watched(5);
    later.interruption.passOnWhileStarting(() => {});
    later.send(SIGTERM);
    await new Promise((resolve) => later.interruption.signal.addEventListener("abort", resolve));
    assert.deepEqual([passed, interruption.signal.aborted], [[SIGTERM, SIGINT], false]);
  });

  it("ends the verb like an internal error does, even while a program runs", () => {
    const { interruption } = watched();
    interruption.passOnTo(() => {});
    interruption.abort(new Error("fault"));
    assert.match(String(interruption.signal.reason), /fault/);
  });

  it("from the terminal is not passed on, since the relay has received it too", () => {
    const { interruption, send } = watched();
    const passed: number[] = [];
    interruption.passOnTo((signal) => passed.push(signal));
    send(SIGINT, true);
    assert.deepEqual(passed, []);
  });
});
