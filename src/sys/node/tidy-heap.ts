/**
 * Gives back memory that V8 would keep: it collects garbage when it needs room, and what is idle needs none. For a process that
 * was started with `--expose-gc` and knows when it is at rest.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";

/** Less is not worth the 10 ms of a processor that a pass takes. */
const worthwhileBytes = 1024 * 1024;
/** V8 gives pages back in the pass after the one that emptied them, and its nursery when little was allocated for a while. */
const leastPasses = 3;
const mostPasses = 6;

/**
 * @returns a pass over the heap, to be called while nothing has to be answered; `true` when there should be another one a
 *   little later. It does nothing while the heap takes little more than after the last one.
 */
export function heapTidier(): () => boolean {
  let least = 0;
  let done = mostPasses;
  let resident = 0;
  return () => {
    if (globalThis.gc === undefined) return false;
    if (heapBytes() - least > worthwhileBytes) done = 0;
    const before = process.memoryUsage.rss();
    const gained = resident - before > worthwhileBytes / 2;
    if (done >= mostPasses || (done >= leastPasses && !gained)) {
      done = mostPasses;
      return false;
    }
    // What lives is scattered over many pages, each as good as empty; only moving it together frees them.
    setFlagsFromString("--compact-on-every-full-gc");
    globalThis.gc();
    setFlagsFromString("--no-compact-on-every-full-gc");
    least = heapBytes();
    resident = before;
    done += 1;
    return true;
  };
}

/** What V8 has taken for it, not what of that is in use: pages stay when what is on them is gone. */
function heapBytes(): number {
  const { total_heap_size: heap, external_memory: buffers } = getHeapStatistics();
  return heap + buffers;
}
