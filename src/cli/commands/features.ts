/** `kumite features`: what this runtime supports. */
import type { VerbContext } from "../context.ts";
import { featuresDocument } from "../features-document.ts";
import { installed } from "./version.ts";

export async function features({ os, output }: VerbContext): Promise<number> {
  await output.out(`${JSON.stringify(featuresDocument(await installed(os)), undefined, 4)}\n`);
  return 0;
}
