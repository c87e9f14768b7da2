/**
 * Volumes that Kubernetes storage drivers pass as unmounted block devices ("direct volumes" of Kata Containers). A file
 * in a directory named after the volume's path says which device it is and how to mount it. Changes nothing.
 */
import type { Bundle } from "../oci/bundle.ts";
import type { Os } from "../sys/os.ts";
import { base64UrlOf } from "../util/base64.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import { guestFileSystems } from "./rootfs/block-device.ts";

export interface DirectVolume {
  readonly device: string;
  readonly deviceNumber: bigint;
  readonly fstype: string;
  readonly options: readonly string[];
  /** The volume asks for an owner group, which the guest does not set. */
  readonly wantsGroup: boolean;
}

/** Where storage drivers write, defined by Kata Containers. */
const directVolumes = "/run/kata-containers/shared/direct-volumes";

/**
 * `undefined` if the source is no direct volume.
 * @throws KumiteError `storage/failed` for a file that lacks something or names no block device
 */
export async function directVolumeAt(
  os: Os,
  { configFile }: Bundle,
  index: number,
  source: string,
): Promise<DirectVolume | undefined> {
  const file = `${directVolumes}/${base64UrlOf(source)}/mountInfo.json`;
  const text = await contentOf(os, file);
  if (text === undefined) return undefined;
  const key = `mounts[${index}].source`;
  const bad = (what: string): KumiteError =>
    new KumiteError("storage/failed", `${configFile}: ${key}: ${file} ${what}`, {
      phase: "storage.plan",
      hint: "the file was written by the volume's storage driver; remove it to share the directory instead",
      data: { file: configFile, key, source },
    });
  const told = parsed(text);
  if (!isRecord(told)) throw bad("is not a JSON object");
  const { device, fstype, options = [], metadata = {}, "volume-type": type } = told;
  if (typeof device !== "string" || !device.startsWith("/")) throw bad("has no device with an absolute path");
  if (typeof fstype !== "string" || !guestFileSystems.has(fstype)) {
    throw bad(
      `names the file system ${JSON.stringify(fstype)}; the guest supports ${[...guestFileSystems].join(", ")}`,
    );
  }
  if (type !== undefined && type !== "block" && type !== "directvol") {
    throw bad(`describes a volume of type ${JSON.stringify(type)}, which is not a block device`);
  }
  if (!Array.isArray(options) || !options.every((option) => typeof option === "string")) {
    throw bad("has options that are not a list of strings");
  }
  const status = await os.files.status(device);
  if (status?.kind !== "block") throw bad(`names ${device}, which is not a block device`);
  const wantsGroup = isRecord(metadata) && metadata.fsGroup !== undefined;
  return { device, deviceNumber: status.deviceNumber, fstype, options, wantsGroup };
}

/** If the name is too long for a directory, no driver can have written there. */
async function contentOf(os: Os, file: string): Promise<string | undefined> {
  try {
    return await os.files.readText(file);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "ENAMETOOLONG")) return undefined;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
