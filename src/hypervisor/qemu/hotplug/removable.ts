/** A device that is removed only once; a failed removal can be repeated. */
import type { GuestAddress, PluggedDevice } from "../../plug.ts";

export function removableOnce(
  id: string,
  address: GuestAddress,
  remove: (signal: AbortSignal | undefined) => Promise<void>,
): PluggedDevice {
  let removed: Promise<void> | undefined;
  return {
    id,
    address,
    remove: (signal) => {
      removed ??= remove(signal).catch((error: unknown) => {
        removed = undefined;
        throw error;
      });
      return removed;
    },
  };
}
