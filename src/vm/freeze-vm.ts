/**
 * Saves a machine whose agent is at work, and lets it go on: whoever has its memory and the state of its devices as they are
 * in between has a copy of it.
 */
import { snapshotTokenLength } from "../agent-client/snapshots.ts";
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError } from "../util/errors.ts";
import type { Vm } from "./vm.ts";

const saveTimeoutMs = 60_000;

export interface FrozenVm {
  /** Of its devices. */
  readonly state: Uint8Array;
  /** For `VmRequest.takesOver`. */
  readonly token: Uint8Array;
  /** Lets it run again. Once; must be called. */
  thaw(): Promise<void>;
}

/**
 * The machine stands still when this resolves. Its memory is in the file that it was given.
 *
 * @param socket where the driver may listen meanwhile; at most 107 bytes, nothing is there
 * @throws KumiteError `hypervisor/unsupported`, `hypervisor/protocol`, `timeout`, `agent/failed`; it runs on then
 */
export async function freezeVm(os: Os, vm: Vm, socket: string, signal: AbortSignal): Promise<FrozenVm> {
  const { snapshots } = vm.machine;
  if (snapshots === undefined) {
    throw new KumiteError("hypervisor/unsupported", `VM ${vm.id} cannot be saved`, { phase: "vm.save" });
  }
  const token = os.random(snapshotTokenLength);
  const release = await vm.agent.snapshots.hold(token, signal);
  const thaw = async (): Promise<void> => {
    try {
      await vm.resume();
    } finally {
      release();
    }
  };
  try {
    // Not to be given up half-way: what is left then is neither a machine nor a copy of one.
    const state = await withDeadline(saveTimeoutMs, "saving", (within) => snapshots.save(socket, within));
    return { state, token, thaw };
  } catch (error) {
    await thaw().catch(() => {});
    throw error;
  }
}
