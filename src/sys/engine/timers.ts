/** setTimeout and clearTimeout over one timerfd, which is armed for the earliest deadline. */
import { read, timerfd_create, timerfd_settime } from "kumite:native";
import { check } from "../linux/check.ts";
import { EPOLLIN } from "../linux/epoll.ts";
import { CLOCK_MONOTONIC, clockMs, encodeTimer, TFD_CLOEXEC, TFD_NONBLOCK, TFD_TIMER_ABSTIME } from "../linux/time.ts";
import { hold, Watch } from "./loop.ts";

interface Timer {
  readonly deadlineMs: number;
  /** Of two timers with the same deadline, the older one fires first. */
  readonly order: number;
  readonly callback: () => void;
  readonly release: () => void;
  /** Index in the heap, -1 when the timer is not in it. */
  at: number;
}

/** 2^31 - 1 ms, as in other engines. There a longer timeout would fire at once; here it is shortened. */
const longestMs = 2147483647;

const heap: Timer[] = [];
let nextOrder = 0;
let clock: { readonly fd: number; armedMs: number } | undefined;

/** Fires once, not before `ms` milliseconds have passed. Keeps the process running. */
export function setEngineTimeout(callback: () => void, ms: number): unknown {
  const delay = Math.min(Math.max(Number.isNaN(ms) ? 0 : ms, 0), longestMs);
  const timer: Timer = {
    deadlineMs: clockMs(CLOCK_MONOTONIC) + delay,
    order: nextOrder++,
    callback,
    release: hold(),
    at: heap.length,
  };
  heap.push(timer);
  rise(timer);
  arm();
  return timer;
}

/** Ignores a timer that has fired or been cleared already. */
export function clearEngineTimeout(handle: unknown): void {
  const timer = handle as Timer | undefined;
  if (timer === undefined || timer === null || heap[timer.at] !== timer) return;
  remove(timer);
  arm();
}

function fire(): void {
  if (clock === undefined) return;
  read(clock.fd, new Uint8Array(8), 0, 8);
  clock.armedMs = Number.POSITIVE_INFINITY;
  const now = clockMs(CLOCK_MONOTONIC);
  const due: Timer[] = [];
  for (let first = heap[0]; first !== undefined && first.deadlineMs <= now; first = heap[0]) {
    remove(first);
    due.push(first);
  }
  arm();
  // Each callback runs as a job of its own, so that its exception is reported and does not affect the others.
  for (const timer of due) void Promise.resolve().then(() => timer.callback());
}

/** Clearing a timer does not disarm the timerfd: waking up too early only costs one round without a callback. */
function arm(): void {
  const first = heap[0];
  if (first === undefined) return;
  clock ??= open();
  if (first.deadlineMs >= clock.armedMs) return;
  check(timerfd_settime(clock.fd, TFD_TIMER_ABSTIME, encodeTimer(first.deadlineMs), null), "timerfd_settime");
  clock.armedMs = first.deadlineMs;
}

function open(): { readonly fd: number; armedMs: number } {
  const fd = check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");
  new Watch(fd, fire, { keepsRunning: false }).set(EPOLLIN);
  return { fd, armedMs: Number.POSITIVE_INFINITY };
}

/** A binary heap ordered by deadline. */

function before(a: Timer, b: Timer): boolean {
  return a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.order < b.order);
}

function put(timer: Timer, at: number): void {
  heap[at] = timer;
  timer.at = at;
}

function rise(timer: Timer): void {
  let at = timer.at;
  for (;;) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (at === 0 || parent === undefined || !before(timer, parent)) break;
    put(parent, at);
    at = parentAt;
  }
  put(timer, at);
}

function sink(timer: Timer): void {
  let at = timer.at;
  for (;;) {
    const left = heap[2 * at + 1];
    const right = heap[2 * at + 2];
    const child = left !== undefined && right !== undefined && before(right, left) ? right : left;
    if (child === undefined || !before(child, timer)) break;
    const childAt = child.at;
    put(child, at);
    at = childAt;
  }
  put(timer, at);
}

function remove(timer: Timer): void {
  const last = heap.pop();
  if (last !== undefined && last !== timer) {
    put(last, timer.at);
    sink(last);
    rise(last);
  }
  timer.at = -1;
  timer.release();
}
