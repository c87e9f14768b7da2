/** `kumite recover`: removes what dead sandboxes left behind. */
import { type Recovery, recoverAll } from "../../sandbox/recover-all.ts";
import { isKumiteError, messageOf } from "../../util/errors.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

export async function recover(context: VerbContext, { flags }: Invocation<"recover">): Promise<number> {
  const { os, root, log, output } = context;
  const recovery = await recoverAll(os, root, log);
  await output.out(flags.json ? `${JSON.stringify(document(recovery))}\n` : lines(recovery));
  for (const { error } of recovery.failed) await context.tellFailure(error);
  return recovery.failed.length === 0 ? 0 : 1;
}

function document({ failed, ...rest }: Recovery): Record<string, unknown> {
  const failures = failed.map(({ id, error }) => ({
    id,
    ...(isKumiteError(error) && { code: error.code }),
    message: messageOf(error),
  }));
  return { ...rest, failed: failures };
}

/** Lists what was done; running containers are not mentioned. */
function lines({ recovered, stopped, swept }: Recovery): string {
  return [
    ...recovered.map((id) => `container ${id}: removed\n`),
    ...stopped.map((id) => `container ${id}: stopped, its state is kept until it is deleted\n`),
    ...swept.map((name) => `${name}: removed\n`),
  ].join("");
}
