/**
 * Serves the helper's requests, the calls that Node cannot make itself, with an `Os`. Knows nothing of the wire format.
 */
import { SystemError } from "../../util/errors.ts";
import type { Os } from "../os.ts";
import type { HelperCall, HelperRequest } from "./protocol.ts";

export type HelperValue = null | boolean | number;

export class HelperService {
  readonly #os: Pick<Os, "mounts" | "files" | "processes">;
  readonly #locks = new Map<number, AsyncDisposable>();
  readonly #waiting = new Map<number, AbortController>();
  #nextHandle = 1;

  constructor(os: Pick<Os, "mounts" | "files" | "processes">) {
    this.#os = os;
  }

  async serve({ id, ...call }: HelperRequest): Promise<HelperValue> {
    switch (call.kind) {
      case "mount":
        await this.#os.mounts.mount(call.request);
        return null;
      case "unmount":
        await this.#os.mounts.unmount(call.target, { lazy: call.lazy });
        return null;
      case "lock":
        return this.#waitingFor(id, (signal) => this.#lock(call.path, signal));
      case "unlock":
        await this.#unlock(call.handle);
        return null;
      case "signal":
        return this.#os.processes.signal(call.process, call.signal);
      case "waitGone":
        await this.#waitingFor(id, (signal) => this.#os.processes.waitGone(call.process, signal));
        return null;
      case "cancel":
        this.#waiting.get(call.request)?.abort();
        return null;
    }
  }

  async #lock(path: string, signal: AbortSignal): Promise<number> {
    const lock = await this.#os.files.lock(path, signal);
    const handle = this.#nextHandle++;
    this.#locks.set(handle, lock);
    return handle;
  }

  async #unlock(handle: number): Promise<void> {
    const lock = this.#locks.get(handle);
    if (lock === undefined) throw new SystemError("EINVAL", "unlock", String(handle));
    this.#locks.delete(handle);
    await lock[Symbol.asyncDispose]();
  }

  /** Runs a wait that `cancel` can end. */
  async #waitingFor<T>(id: number, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#waiting.set(id, controller);
    try {
      return await wait(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? new SystemError("ECANCELED", "wait") : error;
    } finally {
      this.#waiting.delete(id);
    }
  }
}

/** The SystemError to send; a failure of another kind becomes EINVAL. */
export function asSystemError(error: unknown, call: HelperCall["kind"]): SystemError {
  return error instanceof SystemError ? error : new SystemError("EINVAL", call, String(error));
}
