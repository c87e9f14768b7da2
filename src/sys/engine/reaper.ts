/**
 * Reaps every child, no matter which code started it: as the first process of a VM, this process inherits orphans. No
 * other code in the process may call waitid(2) for its children.
 */
import { deferred } from "../../util/deferred.ts";
import { SIGCHLD } from "../linux/signal.ts";
import { P_ALL, WEXITED, WNOHANG, waitid } from "../linux/wait.ts";
import type { ExitStatus } from "../os.ts";
import { hold } from "./loop.ts";
import { handleSignals } from "./signals.ts";

const waiting = new Map<number, (status: ExitStatus) => void>();
let started = false;
/** How many callers of `keepEnded` there are. */
let kept = 0;

/** Must be called before the first child is started, since SIGCHLD must be blocked by then. Idempotent. */
export function startReaper(): void {
  if (started) return;
  started = true;
  handleSignals([SIGCHLD], reap);
  // Children of the program that this process executed before may have ended already.
  reap();
}

/**
 * Resolves with how a child ended. Must be called in the same turn of the event loop in which the child was started,
 * since it may be reaped after that; and only once, but the promise can be shared. Keeps the process running.
 */
export function whenExited(pid: number): Promise<ExitStatus> {
  startReaper();
  if (waiting.has(pid)) throw new Error(`the end of process ${pid} is awaited already`);
  const exited = deferred<ExitStatus>();
  const release = hold();
  waiting.set(pid, (status) => {
    release();
    exited.resolve(status);
  });
  return exited.promise;
}

/** Implements `Processes.keepEnded`. */
export function keepEnded(): Disposable {
  let keeping = true;
  kept += 1;
  return {
    [Symbol.dispose]: () => {
      if (!keeping) return;
      keeping = false;
      kept -= 1;
      reap();
    },
  };
}

/** One SIGCHLD may stand for several children. */
function reap(): void {
  if (kept > 0) return;
  for (
    let ended = waitid(P_ALL, 0, WEXITED | WNOHANG);
    ended !== undefined;
    ended = waitid(P_ALL, 0, WEXITED | WNOHANG)
  ) {
    const resolve = waiting.get(ended.pid);
    waiting.delete(ended.pid);
    resolve?.(ended.status);
  }
}
