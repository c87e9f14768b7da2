/**
 * Returns memory that V8 would keep: V8 collects garbage when it needs room, which an idle process does not. For a
 * process that knows when it is idle.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

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
  let collect: (() => void) | undefined;
  return () => {
    if (heapBytes() - least > worthwhileBytes) done = 0;
    const before = process.memoryUsage.rss();
    const gained = resident - before > worthwhileBytes / 2;
    if (done >= mostPasses || (done >= leastPasses && !gained)) {
      done = mostPasses;
      return false;
    }
    // Live objects are scattered over many nearly empty pages, which only compaction frees.
    setFlagsFromString("--compact-on-every-full-gc");
    collect ??= garbageCollector();
    collect();
    setFlagsFromString("--no-compact-on-every-full-gc");
    least = heapBytes();
    resident = before;
    done += 1;
    return true;
  };
}

/**
 * Only a new context gets the function of a flag that was set after the start. The start would be slower with the flag.
 */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** The memory that V8 has allocated, not the part in use: pages stay after their objects are gone. */
function heapBytes(): number {
  const { total_heap_size: heap, external_memory: buffers } = getHeapStatistics();
  return heap + buffers;
}
