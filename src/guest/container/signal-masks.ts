/** What /proc says about the signals of a process. Pure. */

/** Number of rt_sigtimedwait on x86-64, as /proc/PID/syscall begins with it. */
const waitsForSignals = /^128 /;

/**
 * Whether a process does something on a signal: it has a handler, or blocks the signal to take it with sigwait(3) or a
 * signalfd, as the small init programs of engines do (tini, catatonit). While it is in sigwait, the kernel does not
 * count the signals that it waits for as blocked.
 *
 * @param systemCalls /proc/PID/syscall, read before and after the status, since a wait may have begun or ended
 * meanwhile
 */
export function takesSignal(status: string, systemCalls: readonly string[], signal: number): boolean {
  if (systemCalls.some((text) => waitsForSignals.test(text))) return true;
  return isIn(status, "SigCgt", signal) || isIn(status, "SigBlk", signal);
}

function isIn(status: string, mask: "SigCgt" | "SigBlk", signal: number): boolean {
  const digits = new RegExp(`^${mask}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1];
  return digits !== undefined && (BigInt(`0x${digits}`) & (1n << BigInt(signal - 1))) !== 0n;
}
