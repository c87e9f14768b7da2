/** What a saved machine needs of the host that goes on with it: two hosts with one key have the same machine. */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { sha256Hex } from "../util/sha256.ts";
import { ownFirmware } from "../vm/own-firmware.ts";
import { identityOf } from "./file-hash.ts";

/** Changes with what this program makes of a configuration. */
const version = 2;
const keyLength = 16;

/**
 * Of the configuration and QEMU. Kernel and initrd are in the memory by then.
 * @throws KumiteError `hypervisor/not-found` naming the file that is missing
 */
export async function machineKey(os: Os, config: Config): Promise<string> {
  const machine = hypervisorConfigOf(config);
  const paths = [
    machine.path,
    ...[machine.firmware ?? [], machine.firmwareVolume ?? []].flat(),
    ...Object.values(await ownFirmware(os, config)),
  ];
  const files = await Promise.all(paths.map((path) => identityOf(os, path)));
  return sha256Hex(JSON.stringify({ version, hypervisor: config.hypervisor, files, machine })).slice(0, keyLength);
}
