/** Annotations with the expected hashes of the VM's files. */
import type { Os } from "../sys/os.ts";
import { isSystemError, messageOf } from "../util/errors.ts";
import { oneLine } from "../util/text.ts";
import type { AnnotationContext } from "./annotation-value.ts";
import { rank } from "./problem.ts";
import type { Settings } from "./settings.ts";

const prefix = "io.katacontainers.";
const hashType = `${prefix}asset_hash_type`;

/** From the name below the prefix to the key of the file. */
const hashes: ReadonlyMap<string, string> = new Map([
  ["config.hypervisor.kernel_hash", "kernel"],
  ["config.hypervisor.image_hash", "image"],
  ["config.hypervisor.initrd_hash", "initrd"],
  ["config.hypervisor.hypervisor_hash", "path"],
  ["config.hypervisor.hypervisorctl_hash", "ctlpath"],
  ["config.hypervisor.jailer_hash", "jailer_path"],
  ["config.hypervisor.firmware_hash", "firmware"],
  ["config.hypervisor.firmware_volume_hash", "firmware_volume"],
]);

/** `name` without the prefix. */
export function isHashName(name: string): boolean {
  return hashes.has(name);
}

/** Compares each hash with the file that will be used. */
export async function checkHashes(
  os: Os,
  settings: Settings,
  table: string,
  annotations: Readonly<Record<string, string>>,
  { report }: AnnotationContext,
): Promise<void> {
  const type = annotations[hashType] ?? "sha512";
  for (const [short, key] of hashes) {
    const name = `${prefix}${short}`;
    const expected = annotations[name];
    if (expected === undefined) continue;
    const path = settings.get(table, key)?.value;
    const fault = await faultOf(os, { type, path: typeof path === "string" ? path : "", expected, table, key });
    if (fault === undefined) continue;
    const hint = "the annotation must be the SHA-512 of the file, in hexadecimal digits";
    report({
      severity: "error",
      origin: { kind: "annotation", name },
      key: name,
      reason: fault,
      hint,
      rank: rank.decoding,
    });
  }
}

interface Asset {
  readonly type: string;
  readonly path: string;
  readonly expected: string;
  readonly table: string;
  readonly key: string;
}

async function faultOf(os: Os, { type, path, expected, table, key }: Asset): Promise<string | undefined> {
  if (type !== "sha512") return `Invalid hash type: ${oneLine(type, 40)}, only sha512 is supported`;
  if (path === "") return `${table}.${key} is not set, so there is no file to compare with`;
  try {
    const status = await os.files.status(path);
    if (status?.kind !== "file") return `${path} is not a file`;
    if (status.size === 0) return `${path} is empty`;
    const computed = await os.files.sha512(path);
    if (computed === expected.toLowerCase()) return undefined;
    return `Invalid hash for ${path}: computed ${computed}, expecting ${oneLine(expected, 130)}`;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return messageOf(error);
  }
}
