/** The files below `share`: manual pages, and completion scripts where each shell looks for them. */
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
