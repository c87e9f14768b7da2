/** `kumite completion`: prints the completion script for a shell. */
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { zshCompletion } from "../completion/zsh.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

const scripts: Readonly<Record<string, () => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export async function completion({ output }: VerbContext, { args }: Invocation<"completion">): Promise<number> {
  const [shell = ""] = args;
  await output.out(scripts[shell]?.() ?? "");
  return 0;
}
