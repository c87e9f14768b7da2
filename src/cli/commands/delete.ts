/** `kumite delete`: removes what is left of a container. */
import { listClaims, sweepTransient } from "../../persist/claim.ts";
import type { ObservedContainer } from "../../sandbox/observe.ts";
import { recoverContainer } from "../../sandbox/recover.ts";
import type { ShimConnection } from "../../shim-client/connect.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { signalNumbers } from "../../util/signals.ts";
import type { VerbContext } from "../context.ts";
import { forEachId } from "../each-id.ts";
import { connectTo, lookAt, wrongState } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

/** How long the shim may take to end its VM and itself, before the verb ends them. In milliseconds. */
const shimEndTimeoutMs = 10_000;
/** How long the guest may take to end the container's processes, before the VM is ended. In milliseconds. */
const killTimeoutMs = 2000;
/** How long the shim may take to discard a container, including its last hooks. In milliseconds. */
const leaveTimeoutMs = 60_000;

export async function deleteContainers(context: VerbContext, { args, flags }: Invocation<"delete">): Promise<number> {
  const ids = flags.regex ? await matching(context, args) : args;
  // A create that was killed before it had claimed its id may have left things that no id leads to.
  if (flags.force) await sweepTransient(context.os, context.root);
  return forEachId(context, ids, (id) => deleteOne(context, id, flags.force));
}

async function matching({ os, root }: VerbContext, patterns: readonly string[]): Promise<string[]> {
  const expressions = patterns.map(expression);
  const ids = await listClaims(os, root);
  return ids.filter((id) => expressions.some((one) => one.test(id))).sort();
}

function expression(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw new KumiteError(
      "usage/invalid",
      `--regex: "${pattern}" is not a valid regular expression: ${messageOf(error)}`,
    );
  }
}

async function deleteOne(context: VerbContext, id: string, force: boolean): Promise<void> {
  const { os, root, log, output } = context;
  const container = await lookFor(context, id, force);
  if (container === undefined) return;
  if (!force) refuseWrongState(container);
  const isFirst = container.sandboxId === id;
  if (isFirst) await endShim(context, container);
  const shim = !isFirst && (await leaveSandbox(context, container)) ? "has let go" : "may hold it";
  const warnings: string[] = [];
  const told: Pick<Logger, "warn"> = {
    warn: (message, fields) => {
      log.warn(message, fields);
      warnings.push(message);
    },
  };
  await recoverContainer(os, root, id, told, shim);
  // Warnings come from failed hooks. The container is removed in spite of them.
  for (const warning of warnings) await output.err(`kumite: ${warning}\n`);
}

/** With --force, a container that does not exist counts as deleted. Other errors are thrown. */
async function lookFor(context: VerbContext, id: string, force: boolean): Promise<ObservedContainer | undefined> {
  try {
    return await lookAt(context, id);
  } catch (error) {
    if (force && isKumiteError(error, "container/not-found")) return undefined;
    throw error;
  }
}

/** A created container has not run anything yet, so as with runc it can be deleted like a stopped one. */
function refuseWrongState({ id, status }: ObservedContainer): void {
  switch (status) {
    case "created":
    case "stopped":
      return;
    case "creating":
    case "running":
    case "paused":
      throw wrongState(id, status, `cannot delete a container that is not stopped: it is ${status}`);
  }
}

/** Asks the shim to end everything in order. If it does not, the delete continues: the journal says what to remove. */
async function endShim(context: VerbContext, container: ObservedContainer): Promise<void> {
  const { id, status, alive } = container;
  if (alive === undefined || status === "creating") return;
  try {
    await withDeadline(shimEndTimeoutMs, `waiting for the shim of ${id} to end`, async (signal) => {
      const shim = await connectTo(context, container);
      try {
        await askToEnd(shim, id, status === "stopped", signal);
      } finally {
        shim.close();
      }
      await context.os.processes.waitGone(alive, signal);
    });
  } catch (error) {
    context.log.debug("the shim did not end by itself", { container: id, reason: messageOf(error) });
  }
}

/**
 * Asks the sandbox's shim, which has other containers to serve, to end this one and let go of it. If the shim is dead,
 * there is nothing to ask.
 *
 * @returns whether the shim has confirmed it
 */
async function leaveSandbox(context: VerbContext, container: ObservedContainer): Promise<boolean> {
  const { id, alive } = container;
  if (alive === undefined) return false;
  try {
    const shim = await connectTo(context, container);
    try {
      await shim.oci.discardContainer({ id }, { timeoutMs: leaveTimeoutMs });
      return true;
    } finally {
      shim.close();
    }
  } catch (error) {
    // The shim may have died meanwhile, and its containers with it. Recovery handles that.
    context.log.debug("the shim did not release the container", { container: id, reason: messageOf(error) });
    return false;
  }
}

async function askToEnd(shim: ShimConnection, id: string, stopped: boolean, signal: AbortSignal): Promise<void> {
  if (stopped || (await killAll(shim, id, signal))) await shim.task.delete({ id }, { signal });
  else await shim.task.shutdown({ id, now: true }, { signal });
}

/** False if the guest does not do it in time, because it is stuck or refuses. */
async function killAll({ task }: ShimConnection, id: string, signal: AbortSignal): Promise<boolean> {
  const kill = async (within: AbortSignal): Promise<boolean> => {
    await task.kill({ id, signal: signalNumbers.SIGKILL, all: true }, { signal: within });
    await task.wait({ id }, { signal: within });
    return true;
  };
  return withDeadline(killTimeoutMs, `waiting for ${id} to end`, kill, signal).catch((error: unknown) => {
    if (isKumiteError(error, "timeout") && !signal.aborted) return false;
    throw error;
  });
}
