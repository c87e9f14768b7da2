/**
 * GetOOMEvent: blocks until the kernel's OOM killer has killed a process of a container. The first call begins the
 * watch; earlier kills are not reported.
 */
import { GetOOMEventRequest, OOMEvent } from "../../protocol/gen/kata/control.ts";
import { OomEvents } from "../container/oom-events.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { rpc } from "./rpc.ts";

/** One watch for all callers. */
const watches = new WeakMap<Sandbox, OomEvents>();

export const getOomEvent = rpc("GetOOMEvent", GetOOMEventRequest, OOMEvent, async ({ sandbox, log }, _, context) => {
  const events = watches.get(sandbox) ?? new OomEvents(sandbox, log);
  watches.set(sandbox, events);
  const { containerId, kills } = await events.next(context.signal);
  return { containerId, kumiteKills: kills };
});
