/** `kumite events`: what a container uses, and its lack of memory, as lines of JSON in the form of runc. */
import type { ShimConnection } from "../../shim-client/connect.ts";
import { delay } from "../../util/abort.ts";
import { isKumiteError } from "../../util/errors.ts";
import type { VerbContext } from "../context.ts";
import { connectTo, lookAtLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";
import { parseDuration } from "../quantity.ts";

const defaultInterval = "5s";

/** Ends with the container. */
export async function events(context: VerbContext, { args, flags }: Invocation<"events">): Promise<number> {
  const [id = ""] = args;
  const intervalMs = parseDuration("interval", flags.interval ?? defaultInterval);
  const container = await lookAtLiving(context, id);
  const shim = await connectTo(context, container);
  const stream: EventStream = { id, shim, print: (line) => context.output.out(line) };
  try {
    if (flags.stats) await printStats(stream);
    else await follow(stream, intervalMs);
  } finally {
    shim.close();
  }
  return 0;
}

interface EventStream {
  readonly id: string;
  readonly shim: ShimConnection;
  readonly print: (line: string) => Promise<void>;
}

async function follow(stream: EventStream, intervalMs: number): Promise<void> {
  const over = new AbortController();
  const memory = followMemory(stream).catch(unlessEnded);
  const stats = followStats(stream, intervalMs, over.signal).catch(unlessEnded);
  try {
    // The end is what the first of them says: it tells before that what the end's reason may have been.
    await Promise.race([memory, stats.then(() => memory)]);
  } finally {
    over.abort();
    for (const part of [memory, stats]) part.catch(() => {});
  }
}

async function followMemory({ id, shim, print }: EventStream): Promise<void> {
  let { count: seen, ended } = await shim.oci.awaitOom({ id });
  while (!ended) {
    // No limit: that may be never.
    const next = await shim.oci.awaitOom({ id, seen }, { timeoutMs: 0 });
    for (; seen < next.count; seen++) await print(`${JSON.stringify({ type: "oom", id })}\n`);
    ended = next.ended;
  }
}

async function followStats(stream: EventStream, intervalMs: number, over: AbortSignal): Promise<void> {
  for (;;) {
    await delay(intervalMs, over);
    await printStats(stream);
  }
}

async function printStats({ id, shim, print }: EventStream): Promise<void> {
  const { json } = await shim.oci.stats({ id });
  await print(`{"type":"stats","id":${JSON.stringify(id)},"data":${json}}\n`);
}

/** The container's end is met in any of these. */
function unlessEnded(error: unknown): void {
  if (!isKumiteError(error, "container/wrong-state", "container/not-found", "shim/unreachable", "aborted")) throw error;
}
