/** `kumite list`: the containers of a state directory. */
import { listClaims } from "../../persist/claim.ts";
import { type ObservedContainer, observeContainer } from "../../sandbox/observe.ts";
import type { Os } from "../../sys/os.ts";
import { isKumiteError, isSystemError, messageOf } from "../../util/errors.ts";
import type { VerbContext } from "../context.ts";
import { formatTable } from "../output/table.ts";
import type { Invocation } from "../parse.ts";
import { stateDocument } from "./state.ts";

export async function list(context: VerbContext, { flags }: Invocation<"list">): Promise<number> {
  const containers = await observeAll(context);
  await context.output.out(await format(context.os, containers, flags));
  return 0;
}

/** A container that cannot be read is reported and does not hide the others. */
async function observeAll({ os, root, log, output }: VerbContext): Promise<ObservedContainer[]> {
  const found: ObservedContainer[] = [];
  for (const id of (await listClaims(os, root)).sort()) {
    try {
      found.push(await observeContainer(os, root, id));
    } catch (error) {
      // Deleted meanwhile, or a directory that belongs to no container.
      if (isKumiteError(error, "container/not-found")) continue;
      if (!isKumiteError(error)) throw error;
      log.warn(`container ${id} cannot be shown: ${messageOf(error)}`, { container: id });
      await output.err(`kumite: container ${id} cannot be shown: ${messageOf(error)}\n`);
    }
  }
  return found;
}

async function format(
  os: Os,
  containers: readonly ObservedContainer[],
  { quiet, format: form }: Invocation<"list">["flags"],
): Promise<string> {
  if (quiet) return containers.map(({ id }) => `${id}\n`).join("");
  const nameOf = containers.length === 0 ? String : await userNames(os);
  if (form === "json") {
    const documents = containers.map((container) => stateDocument(container, nameOf(container.owner)));
    // runc prints `null` if there are no containers.
    return `${JSON.stringify(documents.length === 0 ? null : documents)}\n`;
  }
  const rows = containers.map(({ id, pid, status, bundle, createdMs, owner }) => [
    id,
    `${pid}`,
    status,
    bundle,
    new Date(createdMs).toISOString(),
    nameOf(owner),
  ]);
  return formatTable([["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], ...rows]);
}

/** Names of this host's users; `#1000` for a user without a name. */
async function userNames(os: Os): Promise<(uid: number) => string> {
  const names = new Map<number, string>();
  for (const line of (await readPasswd(os)).split("\n")) {
    const [name, , uid] = line.split(":");
    if (name && uid && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return (uid) => names.get(uid) ?? `#${uid}`;
}

async function readPasswd(os: Os): Promise<string> {
  try {
    return await os.files.readText("/etc/passwd");
  } catch (error) {
    if (isSystemError(error)) return "";
    throw error;
  }
}
