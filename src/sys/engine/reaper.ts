/**
 * Reaps every child, whoever started it: as first process of a machine this one inherits the orphans.
 * Nobody else in the process may call waitid(2) for children of its own.
 */
import { deferred } from "../../util/deferred.ts";
import { SIGCHLD } from "../linux/signal.ts";
import { P_ALL, WEXITED, WNOHANG, waitid } from "../linux/wait.ts";
import type { ExitStatus } from "../os.ts";
import { hold } from "./loop.ts";
import { handleSignals } from "./signals.ts";

const waiting = new Map<number, (status: ExitStatus) => void>();
let started = false;
/** How many want what has ended to stay. */
let kept = 0;

/** Call it before the first child is born: SIGCHLD must be blocked by then. Idempotent. */
export function startReaper(): void {
  if (started) return;
  started = true;
  handleSignals([SIGCHLD], reap);
  // Children of the program that ran here before us may have ended already.
  reap();
}

/**
 * How a child of ours ends. Call it in the turn of the event loop in which the child was born, else it may have been
 * reaped unseen, and once: the promise can be shared. Keeps the process running until then.
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

/** As `Processes.keepEnded`. */
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

/** One SIGCHLD may stand for many. */
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
