/**
 * The firmware that a machine has when the configuration names none: files of QEMU's, which another package can bring anew
 * without a change of QEMU itself.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import { firmwareForBridges, smallFirmware } from "../hypervisor/qemu/machine.ts";
import type { Os } from "../sys/os.ts";
import { dirName } from "../util/path.ts";

/** Where QEMU looks, as it is built by default and by Debian, beside its program first. */
const directories = ["share/qemu", "share/seabios"];

/** Paths of what is there, by name. */
export async function ownFirmware(os: Os, config: Config): Promise<Record<string, string>> {
  const { path, firmware } = hypervisorConfigOf(config);
  if (config.hypervisor !== "qemu" || firmware !== undefined) return {};
  const prefixes = [dirName(dirName(path)), "/usr"];
  const places = prefixes.flatMap((prefix) => directories.map((directory) => `${prefix}/${directory}`));
  const found: Record<string, string> = {};
  for (const name of [smallFirmware, firmwareForBridges]) {
    const present = await Promise.all(places.map((place) => os.files.status(`${place}/${name}`)));
    const first = places.find((_, index) => present[index] !== undefined);
    if (first !== undefined) found[name] = `${first}/${name}`;
  }
  return found;
}
