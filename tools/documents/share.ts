/** What is installed below `share`: manual pages, and completion for shells where each of them looks for it. */
import { bashCompletion } from "../../src/cli/completion/bash.ts";
import { fishCompletion } from "../../src/cli/completion/fish.ts";
import { zshCompletion } from "../../src/cli/completion/zsh.ts";
import { manPages, section } from "./man-page.ts";

/** By path below `share`. */
export function shareFiles(version: string): ReadonlyMap<string, string> {
  const manuals = [...manPages(version)].map(([name, text]) => [`man/man${section}/${name}`, text] as const);
  return new Map([
    ...manuals,
    ["bash-completion/completions/kumite", bashCompletion()],
    ["zsh/site-functions/_kumite", zshCompletion()],
    ["fish/vendor_completions.d/kumite.fish", fishCompletion()],
  ]);
}
