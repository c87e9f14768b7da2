/** What timers of the engines can do. */

/** Longest timer that both engines have, in milliseconds (24 days); Node runs a longer one at once. */
const longestTimerMs = 0x7fff_ffff;

/** The time as a timer takes it; a wait longer than the longest timer is as good as one without end. */
export function timerMs(ms: number): number {
  return Math.min(ms, longestTimerMs);
}
