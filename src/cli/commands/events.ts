/** `kumite events`: a container's resource usage and out-of-memory events, as lines of JSON in runc's format. */
import type { VerbContext } from "../context.ts";
import { followEvents } from "../follow-events.ts";
import { connectToLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";
import { parseDuration } from "../quantity.ts";

const defaultInterval = "5s";
/** For requests whose answer may never come. */
const noLimit = { timeoutMs: 0 };

/** Returns when the container has ended. */
export async function events(context: VerbContext, { args, flags }: Invocation<"events">): Promise<number> {
  const [id = ""] = args;
  const intervalMs = parseDuration("interval", flags.interval ?? defaultInterval);
  const { alive, shim } = await connectToLiving(context, id);
  const { os, output } = context;
  const printStats = async (): Promise<void> => {
    const { json } = await shim.oci.stats({ id });
    await output.out(`{"type":"stats","id":${JSON.stringify(id)},"data":${json}}\n`);
  };
  try {
    if (flags.stats) await printStats();
    else {
      const source = {
        awaitOom: (seen: bigint | undefined) =>
          seen === undefined ? shim.oci.awaitOom({ id }) : shim.oci.awaitOom({ id, seen }, noLimit),
        printOom: () => output.out(`${JSON.stringify({ type: "oom", id })}\n`),
        printStats,
        ends: [
          shim.task.wait({ id }, noLimit),
          shim.closed,
          ...(alive === undefined ? [] : [os.processes.waitGone(alive)]),
        ],
      };
      await followEvents(source, intervalMs);
    }
  } finally {
    shim.close();
  }
  return 0;
}
