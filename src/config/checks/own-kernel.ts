/** Checks whether Kumite's own kernel can use an image as its root: Debian's kernel has its drivers in an initrd. */
import type { Os } from "../../sys/os.ts";
import { isSystemError } from "../../util/errors.ts";
import { isRecord, JsonSyntaxError, parseJson } from "../../util/json.ts";
import type { EffectiveConfig } from "../effective.ts";
import { type Report, rank } from "../problem.ts";
import type { Settings } from "../settings.ts";

const maxManifestBytes = 64 * 1024;

/** Reported here, since the guest would panic. An installation that does not name its kernel may have any. */
export async function checkOwnKernel(
  os: Os,
  installRoot: string,
  { chosen, hypervisor, hypervisors }: EffectiveConfig,
  settings: Settings,
  report: Report,
): Promise<void> {
  const table = `hypervisor.${chosen}`;
  if (hypervisor === "process" || hypervisors[chosen].image === "" || settings.get(table, "kernel")?.value) return;
  if ((await installedKernel(os, `${installRoot}/install.json`)) !== "debian") return;
  report({
    severity: "error",
    origin: settings.origin(table, "image"),
    key: `${table}.image`,
    reason: `${table}.image: the kernel that Kumite was installed with loads its drivers from an initrd, so it cannot use an image`,
    hint: "set kernel to one with built-in drivers, or compile one with `npm run guest:kernel`",
    // Ranked after everything that Kata Containers would report about the same file.
    rank: rank.machine,
  });
}

async function installedKernel(os: Os, manifest: string): Promise<unknown> {
  try {
    const content = parseJson(await os.files.readText(manifest, maxManifestBytes));
    return isRecord(content) ? content.kernel : undefined;
  } catch (error) {
    if (isSystemError(error) || error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}
