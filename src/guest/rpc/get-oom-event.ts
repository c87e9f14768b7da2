/**
 * GetOOMEvent: blocks until the kernel has killed something of a container for want of memory. The first call begins the
 * watch; what was before is not told.
 */
import { GetOOMEventRequest, OOMEvent } from "../../protocol/gen/kata/control.ts";
import { OomEvents } from "../container/oom-events.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { rpc } from "./rpc.ts";

/** One watch for all who ask. */
const watches = new WeakMap<Sandbox, OomEvents>();

export const getOomEvent = rpc("GetOOMEvent", GetOOMEventRequest, OOMEvent, async ({ sandbox, log }, _, context) => {
  const events = watches.get(sandbox) ?? new OomEvents(sandbox, log);
  watches.set(sandbox, events);
  const { containerId, kills } = await events.next(context.signal);
  return { containerId, kumiteKills: kills };
});
