/** `kumite state`: the state of one container, as the OCI runtime specification defines it. */
import type { ObservedContainer } from "../../sandbox/observe.ts";
import type { VerbContext } from "../context.ts";
import { lookAt } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export async function state(context: VerbContext, { args }: Invocation<"state">): Promise<number> {
  const [id = ""] = args;
  // No newline at the end, as with runc.
  await context.output.out(JSON.stringify(stateDocument(await lookAt(context, id)), undefined, 2));
  return 0;
}

/** runc's keys in runc's order. Some are not in the specification, but engines read them. */
export function stateDocument(container: ObservedContainer, owner = ""): Record<string, unknown> {
  const { ociVersion, id, pid, status, bundle, rootfs, createdMs, annotations } = container;
  return {
    ociVersion,
    id,
    pid,
    status,
    bundle,
    rootfs,
    created: new Date(createdMs).toISOString(),
    ...(Object.keys(annotations).length > 0 && { annotations }),
    owner,
  };
}
