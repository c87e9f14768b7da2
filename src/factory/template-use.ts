/**
 * Which templates are used, and which have to go when all of them take more than they may: the one that was not used for
 * longest, of those that no machine runs on. The memory of the others would not come back before their machines end.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { memoryName } from "./keeper/protocol.ts";
import { listTemplates, removeTemplate, type Template, templatePlaces } from "./template-store.ts";

export interface RoomRequest {
  readonly limitBytes: number;
  /** Key of the one that stays in any case. */
  readonly spare: string;
  readonly log: Logger;
}

/** From now on it is the youngest. It may be gone: that is found out elsewhere. */
export async function markUsed(os: Os, store: string, key: string): Promise<void> {
  try {
    await os.files.write(templatePlaces(store, key).used, "\n", { mode: 0o600 });
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** With the lock of the store. Never fails for a template that cannot be removed: what is wanted is there. */
export async function makeRoom(os: Os, store: string, { limitBytes, spare, log }: RoomRequest): Promise<void> {
  const templates = (await listTemplates(os, store)).flatMap(({ template }) =>
    template === undefined ? [] : [template],
  );
  let excess = templates.reduce((sum, { takesBytes }) => sum + takesBytes, -limitBytes);
  if (excess <= 0) return;
  for (const template of await oldestFirst(os, store, templates)) {
    if (excess <= 0) return;
    const { key, takesBytes } = template;
    if (key === spare || (await isInUse(os, template))) continue;
    try {
      await removeTemplate(os, store, key);
      log.info("a template was removed to make room", { template: key });
      excess -= takesBytes;
    } catch (error) {
      log.warn(`a template could not be removed: ${messageOf(error)}`, { template: key });
    }
  }
  if (excess > 0) log.warn("templates in use by VMs take more than template_limit", { excessBytes: excess });
}

async function oldestFirst(os: Os, store: string, templates: readonly Template[]): Promise<Template[]> {
  const aged = await Promise.all(
    templates.map(async (template) => {
      const used = await os.files.status(templatePlaces(store, template.key).used);
      return { template, usedMs: used?.modifiedMs ?? 0 };
    }),
  );
  return aged.sort((a, b) => a.usedMs - b.usedMs).map(({ template }) => template);
}

/** Whoever runs on its memory has it open. */
async function isInUse(os: Os, { key, keeper }: Template): Promise<boolean> {
  const name = `/memfd:${memoryName(key)} (deleted)`;
  for (const pid of await os.files.list("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === keeper.pid) continue;
    const directory = `/proc/${pid}/fd`;
    const descriptors = await goneIsNothing(os.files.list(directory), []);
    for (const descriptor of descriptors) {
      if ((await goneIsNothing(os.files.readLink(`${directory}/${descriptor}`), "")) === name) return true;
    }
  }
  return false;
}

/** Processes and descriptors end while they are looked at. */
async function goneIsNothing<T>(looking: Promise<T>, nothing: T): Promise<T> {
  try {
    return await looking;
  } catch (error) {
    if (isSystemError(error)) return nothing;
    throw error;
  }
}
