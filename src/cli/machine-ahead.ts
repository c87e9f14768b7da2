/**
 * Plans the VM of a new sandbox while its id is being claimed, and makes as much of it as possible while its shim
 * starts. A failure here is only logged: the shim will meet it too and report it better.
 */
import { cacheSocket } from "../factory/cache/protocol.ts";
import { type Ahead, makeAhead, type PlaceMachine, planAhead } from "../sandbox/ahead.ts";
import type { PreparedSandbox } from "../sandbox/prepare.ts";
import { linked, throwIfAborted } from "../util/abort.ts";
import { messageOf } from "../util/errors.ts";
import { dirName } from "../util/path.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";

/** Its disposal ends a search that nobody waits for any more. */
export interface MachineAhead extends Disposable {
  /** Call once. @throws KumiteError `storage/failed` of the shared tree, `aborted` */
  make(prepared: PreparedSandbox): Promise<Ahead | undefined>;
}

/**
 * Plans the VM, unless the VM cache may have one for the sandbox. The search for the image goes on while the caller
 * claims the id. Makes nothing on the host.
 */
export async function machineAhead(
  { os, root, config, overrides, log, interruption }: VerbContext,
  { id, bundle }: ContainerRequest,
): Promise<MachineAhead> {
  const life = linked(interruption.signal);
  const { signal } = life;
  const leave = (error: unknown): undefined => {
    log.debug(`the shim starts the VM: ${messageOf(error)}`, { sandbox: id });
  };
  const request = { root, id, bundle, installRoot: dirName(os.self.executable), config, overrides };
  const plan = (): Promise<PlaceMachine | undefined> => planAhead(os, request, signal).catch(leave);
  const isCached = (await os.files.linkStatus(cacheSocket)) !== undefined;
  const early = isCached ? undefined : { place: await plan() };
  return {
    make: async (prepared) => {
      const place = early === undefined ? await plan() : early.place;
      const machine = await place?.(prepared, signal).catch(leave);
      throwIfAborted(signal);
      return machine && (await makeAhead(os, prepared, machine, { onFailure: leave, signal }));
    },
    [Symbol.dispose]: () => {
      life.abort();
      life.unlink();
    },
  };
}
