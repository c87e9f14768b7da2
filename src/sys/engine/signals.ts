/** Signals to this process, read from one signalfd for all who want some. */
import { EPOLLIN } from "../linux/epoll.ts";
import { blockSignals, readSignals, type SignalInfo, signalfd } from "../linux/signal.ts";
import { Watch } from "./loop.ts";

export type SignalHandler = (info: SignalInfo) => void;

const handlers = new Map<number, SignalHandler[]>();
let descriptor = -1;

/**
 * Calls the handler for each of these signals from now on, for the life of the process. Signals of a kind that arrive
 * close together are one. Handlers do not keep the process running.
 */
export function handleSignals(signals: readonly number[], handler: SignalHandler): void {
  for (const signal of signals) handlers.set(signal, [...(handlers.get(signal) ?? []), handler]);
  // Blocked first: from then on none is lost.
  blockSignals(signals);
  const isNew = descriptor < 0;
  descriptor = signalfd(descriptor, handlers.keys());
  if (isNew) new Watch(descriptor, deliver, { keepsRunning: false }).set(EPOLLIN);
}

function deliver(): void {
  // A job of its own each: one handler's failure is reported and keeps nothing from the others.
  for (const info of readSignals(descriptor))
    for (const handler of handlers.get(info.signal) ?? []) void Promise.resolve(info).then(handler);
}
