/** Clocks and timers: clock_gettime(2), clock_settime(2), timerfd_create(2). */
import { clock_gettime, clock_settime as nativeClockSettime } from "kumite:native";
import { check } from "./check.ts";

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;

export const TFD_TIMER_ABSTIME = 1;
export const TFD_NONBLOCK = 0o4000;
export const TFD_CLOEXEC = 0o2000000;

/** struct timespec: i64 seconds, i64 nanoseconds. */
export const TIMESPEC_SIZE = 16;

const scratch = new Uint8Array(TIMESPEC_SIZE);
const scratchView = new DataView(scratch.buffer);

/** The clock's time in milliseconds, with a fraction. */
export function clockMs(clock: number): number {
  check(clock_gettime(clock, scratch), "clock_gettime");
  return decodeMs(scratchView, 0);
}

/** Sets a clock; needs CAP_SYS_TIME. `nanoseconds` must be below 1e9. */
export function clock_settime(clock: number, seconds: bigint, nanoseconds: number): void {
  const time = new Uint8Array(TIMESPEC_SIZE);
  const view = new DataView(time.buffer);
  view.setBigInt64(0, seconds, true);
  view.setBigInt64(8, BigInt(nanoseconds), true);
  check(nativeClockSettime(clock, time), "clock_settime");
}

/** A struct itimerspec that fires once, at `ms` or later. Since 0 would disarm the timer, the earliest time is 1 ns. */
export function encodeTimer(ms: number): Uint8Array {
  const timer = new Uint8Array(2 * TIMESPEC_SIZE);
  const view = new DataView(timer.buffer);
  const seconds = Math.floor(ms / 1000);
  view.setBigInt64(16, BigInt(seconds), true);
  view.setBigInt64(24, BigInt(Math.min(Math.ceil((ms - seconds * 1000) * 1e6), 999_999_999)), true);
  if (ms <= 0) view.setBigInt64(24, 1n, true);
  return timer;
}

/** Seconds fit a double for the next 280 million years. */
function decodeMs(view: DataView, offset: number): number {
  return Number(view.getBigInt64(offset, true)) * 1000 + Number(view.getBigInt64(offset + 8, true)) / 1e6;
}
