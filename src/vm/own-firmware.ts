/**
 * The firmware that a VM has if the configuration names none. The files belong to QEMU, but another package may update
 * them while QEMU stays the same.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import { firmwareForBridges, smallFirmware } from "../hypervisor/qemu/machine.ts";
import type { Os } from "../sys/os.ts";
import { dirName } from "../util/path.ts";

/** Where QEMU looks, as built by default and by Debian; first relative to its program, then in /usr. */
const directories = ["share/qemu", "share/seabios"];

/** Paths of the files that exist, by name. */
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
