/** `kumite sizing`: how large the VM of a container is, or would be for a bundle, and why. */
import { loadConfig } from "../../config/load.ts";
import { loadBundle } from "../../oci/bundle.ts";
import { explainSizing, reportOf, type SizingReport } from "../../sandbox/explain-sizing.ts";
import { sizingOf } from "../../sandbox/machine-size.ts";
import { KumiteError } from "../../util/errors.ts";
import { baseName, dirName, resolvePath } from "../../util/path.ts";
import type { VerbContext } from "../context.ts";
import { connectTo, lookAtLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export async function sizing(context: VerbContext, { args, flags }: Invocation<"sizing">): Promise<number> {
  const [id] = args;
  if ((id === undefined) === (flags.bundle === undefined)) {
    throw new KumiteError("usage/invalid", "sizing needs either the id of a container or --bundle", {
      hint: "run `kumite sizing ID` or `kumite sizing --bundle DIR`",
    });
  }
  const report = id === undefined ? await ofBundle(context, flags.bundle ?? ".") : await ofContainer(context, id);
  await context.output.out(flags.json ? `${JSON.stringify(report)}\n` : `${explainSizing(report).join("\n")}\n`);
  return 0;
}

async function ofContainer(context: VerbContext, id: string): Promise<SizingReport> {
  const shim = await connectTo(context, await lookAtLiving(context, id));
  try {
    return JSON.parse((await shim.oci.sizing({ id })).json) as SizingReport;
  } finally {
    shim.close();
  }
}

async function ofBundle(context: VerbContext, directory: string): Promise<SizingReport> {
  const { os } = context;
  const { spec, path } = await loadBundle(os, resolvePath(os.self.cwd(), directory));
  const { annotations = {}, linux } = spec;
  const installRoot = dirName(os.self.executable);
  const config = await loadConfig(os, { installRoot, path: context.config, overrides: context.overrides, annotations });
  return reportOf(sizingOf(config, [{ id: baseName(path), resources: linux.resources ?? {}, annotations }]));
}
