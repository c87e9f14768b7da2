/** `kumite kill`: sends a signal to a container's program or to all its processes. */
import { KumiteError } from "../../util/errors.ts";
import { parseSignal } from "../../util/signals.ts";
import type { VerbContext } from "../context.ts";
import { orLostMachine } from "../lost-machine.ts";
import { connectTo, lookAt, wrongState } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export async function kill(context: VerbContext, { args, flags }: Invocation<"kill">): Promise<number> {
  const [id = "", name = "SIGTERM"] = args;
  const signal = signalOf(name);
  const container = await lookAt(context, id);
  const { status } = container;
  if (status === "stopped") {
    // The caller wanted all processes gone, and they are.
    if (flags.all) return 0;
    throw wrongState(id, status, "container not running");
  }
  if (status === "creating") throw wrongState(id, status, "container not running, it is being created");
  // Signal 0 only asks whether there is a process, as with kill(2).
  if (signal === 0) return 0;
  const shim = await connectTo(context, container);
  try {
    await shim.task.kill({ id, signal, all: flags.all });
  } catch (error) {
    throw await orLostMachine(context, id, shim, error);
  } finally {
    shim.close();
  }
  return 0;
}

function signalOf(name: string): number {
  const signal = parseSignal(name);
  if (signal !== undefined) return signal;
  throw new KumiteError("usage/invalid", `unknown signal "${name}"`, {
    hint: "give a name such as TERM or SIGKILL, or a number from 0 to 64",
  });
}
