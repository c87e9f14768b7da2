/** A device whose removal succeeds once; one that failed can be tried again. */
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
