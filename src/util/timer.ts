/** The limits of the engines' timers. */

/** Longest timer of both engines, in milliseconds (24 days). Node fires a longer one at once. */
const longestTimerMs = 0x7fff_ffff;

/** A time limited to what a timer supports. A wait beyond the longest timer is practically endless anyway. */
export function timerMs(ms: number): number {
  return Math.min(ms, longestTimerMs);
}
