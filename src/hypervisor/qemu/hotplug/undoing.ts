/**
 * Changes of a running machine that are taken back when a later one fails. What cannot be taken back is QEMU's, and
 * goes with it, which is in the journal: the log says what it is, and the error that is thrown stays the first one.
 */
import { isKumiteError, messageOf } from "../../../util/errors.ts";
import { type PlugContext, removeDevice } from "./context.ts";

type Undo = () => Promise<unknown>;

/** @param what what is left when `undo` fails */
export async function undoing<T>(
  context: Pick<PlugContext, "log">,
  what: string,
  undo: Undo,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await takeBack(context, what, undo);
    throw error;
  }
}

/** Never rejects. */
export async function takeBack({ log }: Pick<PlugContext, "log">, what: string, undo: Undo): Promise<void> {
  try {
    await undo();
  } catch (error) {
    if (isGone(error)) return;
    log("warn", `${what} stays in the VM until the VM ends: it could not be removed`, { error: messageOf(error) });
  }
}

/**
 * `device_add`. `release` gives back what the device would have used, as soon as it is certain that there is no device:
 * QEMU may still do what it was asked after nobody waits for its answer.
 */
export async function addDevice(
  context: PlugContext,
  properties: Parameters<typeof context.monitor.execute<"device_add">>[1],
  release: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { id } = properties;
  try {
    await context.monitor.execute("device_add", properties, { signal });
  } catch (error) {
    await takeBack(context, `device ${id}`, async () => {
      if (isUndecided(error, signal)) await removeDevice(context, id);
      release();
    });
    throw error;
  }
}

/** QEMU has not said that it did not do it. */
export function isUndecided(error: unknown, signal: AbortSignal | undefined): boolean {
  return isKumiteError(error, "timeout") || signal?.aborted === true;
}

/** There is nothing to take back, or nobody who has it. */
function isGone(error: unknown): boolean {
  return /not found|Failed to find|qemu cannot answer/.test(messageOf(error));
}
