/**
 * Saves a VM whose agent is in a session, and lets the VM go on. In between, its memory and the state of its devices
 * can be copied.
 */
import { snapshotTokenLength } from "../agent-client/snapshots.ts";
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import type { Vm } from "./vm.ts";

const saveTimeoutMs = 60_000;

export interface FrozenVm {
  /** State of the devices. */
  readonly state: Uint8Array;
  /** For `VmRequest.takesOver`. */
  readonly token: Uint8Array;
  /** Resumes the VM. Must be called exactly once. */
  thaw(): Promise<void>;
}

/**
 * Resolves when the VM is frozen. Its memory is in the file that it was started with.
 * @param socket path that the driver may listen on meanwhile; at most 107 bytes, and nothing may exist there
 * @throws KumiteError `hypervisor/unsupported`, `hypervisor/protocol`, `timeout`, `agent/failed`; the VM then runs on
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
    // Ignores the caller's signal: a save that is interrupted leaves neither a VM nor a copy.
    const state = await withDeadline(saveTimeoutMs, "saving the VM", (within) => snapshots.save(socket, within));
    return { state, token, thaw };
  } catch (error) {
    await thaw().catch((failure: unknown) => {
      throw new KumiteError("hypervisor/protocol", `VM ${vm.id} could not be saved, and could not be resumed either`, {
        phase: "vm.save",
        hint: "delete the VM's sandbox",
        data: { left: messageOf(failure) },
        cause: error,
      });
    });
    throw error;
  }
}
