/**
 * Checks whether an image can be a memory device whose pages the guest maps. The guest's kernel requires a header at
 * the image's beginning, as Kata's image builder writes it. Without this check the guest would panic.
 */
import type { Os } from "../../sys/os.ts";
import { isSystemError } from "../../util/errors.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { EffectiveConfig } from "../effective.ts";
import { type Report, rank } from "../problem.ts";
import type { Settings } from "../settings.ts";
import type { NamedFiles } from "./files.ts";

/** From Linux's `struct nd_pfn_sb`, and the offset at which Linux looks for it. */
const signature = "NVDIMM_PFN_INFO";
const signatureOffset = 4096;

export async function checkImageHeader(
  os: Os,
  { hypervisor, chosen, hypervisors }: EffectiveConfig,
  settings: Settings,
  { byKey }: NamedFiles,
  report: Report,
): Promise<void> {
  const table = `hypervisor.${chosen}`;
  const { image, disable_image_nvdimm, machine_type, kernel_verity_params } = hypervisors[chosen];
  const fact = byKey.get("image");
  if (hypervisor !== "qemu" || image === "" || fact?.found !== true || fact.status.kind !== "file") return;
  // An image attached as a disk needs no header, and a verified image is not mapped.
  if (disable_image_nvdimm || machine_type === "microvm" || kernel_verity_params !== "") return;
  if (fact.status.size === 0 || (await isMarked(os, fact.real))) return;
  report({
    severity: "error",
    origin: settings.origin(table, "image"),
    key: `${table}.image`,
    reason: `${table}.image: ${image} cannot be a memory device: it lacks the header that Kata's image builder writes`,
    hint: `set disable_image_nvdimm = true in [${table}] to attach it as a disk`,
    rank: rank.machine,
  });
}

/** If the image cannot be read, the start of the VM reports that. */
async function isMarked(os: Os, path: string): Promise<boolean> {
  try {
    const bytes = await os.files.readStart(path, signatureOffset + signature.length);
    return decodeUtf8(bytes.subarray(signatureOffset)) === signature;
  } catch (error) {
    if (isSystemError(error)) return true;
    throw error;
  }
}
