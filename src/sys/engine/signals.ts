/** Signals to this process, read from one signalfd for all handlers. */
import { EPOLLIN } from "../linux/epoll.ts";
import { blockSignals, readSignals, type SignalInfo, signalfd } from "../linux/signal.ts";
import { Watch } from "./loop.ts";

export type SignalHandler = (info: SignalInfo) => void;

const handlers = new Map<number, SignalHandler[]>();
let descriptor = -1;

/**
 * Calls the handler for each of these signals from now on, for the life of the process. Several pending signals of one
 * kind are merged into one. Handlers do not keep the process running.
 */
export function handleSignals(signals: readonly number[], handler: SignalHandler): void {
  for (const signal of signals) handlers.set(signal, [...(handlers.get(signal) ?? []), handler]);
  // Blocked first, so that none is lost.
  blockSignals(signals);
  const isNew = descriptor < 0;
  descriptor = signalfd(descriptor, handlers.keys());
  if (isNew) new Watch(descriptor, deliver, { keepsRunning: false }).set(EPOLLIN);
}

function deliver(): void {
  // Each handler runs as a job of its own, so that its exception is reported and does not affect the others.
  for (const info of readSignals(descriptor))
    for (const handler of handlers.get(info.signal) ?? []) void Promise.resolve(info).then(handler);
}
