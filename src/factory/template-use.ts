/**
 * Tracks which templates are used, and removes the least recently used when all of them take more memory than allowed.
 * A template that VMs run on stays, because removing it would not free its memory.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { memoryName } from "./keeper/protocol.ts";
import { listTemplates, removeTemplate, type Template, templatePlaces } from "./template-store.ts";

export interface RoomRequest {
  readonly limitBytes: number;
  /** Key of the template that is kept in any case. */
  readonly spare: string;
  readonly log: Logger;
}

/** Marks the template as the most recently used. Fails silently if it is gone; others find out. */
export async function markUsed(os: Os, store: string, key: string): Promise<void> {
  try {
    await os.files.write(templatePlaces(store, key).used, "\n", { mode: 0o600 });
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** Call with the store's lock. A template that cannot be removed is only logged, since the new one exists already. */
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

/** A VM that runs on the template's memory has the file open. */
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

/** Processes end and descriptors are closed during the search. */
async function goneIsNothing<T>(looking: Promise<T>, nothing: T): Promise<T> {
  try {
    return await looking;
  } catch (error) {
    if (isSystemError(error)) return nothing;
    throw error;
  }
}
