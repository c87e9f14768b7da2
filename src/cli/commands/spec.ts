/** `kumite spec`: writes an example config.json. */
import { defaultSpec } from "../../oci/default-spec.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { joinPath, resolvePath } from "../../util/path.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

export async function spec({ os }: VerbContext, { flags }: Invocation<"spec">): Promise<number> {
  const file = joinPath(resolvePath(os.self.cwd(), flags.bundle ?? "."), "config.json");
  try {
    await os.files.write(file, JSON.stringify(defaultSpec(), undefined, "\t"), { exclusive: true, mode: 0o644 });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.errno === "EEXIST") {
      throw new KumiteError("usage/invalid", `${file} exists`, { hint: "remove it first, or choose another --bundle" });
    }
    if (error.errno !== "ENOENT" && error.errno !== "ENOTDIR") throw error;
    throw new KumiteError("usage/invalid", error.message, {
      hint: "make the directory first, or choose another --bundle",
    });
  }
  return 0;
}
