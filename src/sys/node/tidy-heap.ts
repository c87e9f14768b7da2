/**
 * Returns memory that V8 would keep: V8 collects garbage when it needs room, which an idle process does not. For a
 * process that was started with `--expose-gc` and knows when it is idle.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";

/** Less is not worth the 10 ms of CPU time that a pass takes. */
const worthwhileBytes = 1024 * 1024;
/**
 * V8 returns pages in the pass after the one that emptied them, and shrinks its nursery when little has been allocated
 * for a while.
 */
const leastPasses = 3;
const mostPasses = 6;

/**
 * @returns a function that makes one pass over the heap, to be called when the process is idle; it returns `true` if it
 * should be called again a little later. It does nothing while the heap is hardly larger than after the last pass.
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
    // Live objects are scattered over many nearly empty pages, which only compaction frees.
    setFlagsFromString("--compact-on-every-full-gc");
    globalThis.gc();
    setFlagsFromString("--no-compact-on-every-full-gc");
    least = heapBytes();
    resident = before;
    done += 1;
    return true;
  };
}

/** The memory that V8 has allocated, not the part in use: pages stay after their objects are gone. */
function heapBytes(): number {
  const { total_heap_size: heap, external_memory: buffers } = getHeapStatistics();
  return heap + buffers;
}
