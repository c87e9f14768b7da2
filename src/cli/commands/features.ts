/** `kumite features`: what this runtime supports. */
import type { VerbContext } from "../context.ts";
import { featuresDocument } from "../features-document.ts";

export async function features({ output }: VerbContext): Promise<number> {
  await output.out(`${JSON.stringify(featuresDocument(), undefined, 4)}\n`);
  return 0;
}
