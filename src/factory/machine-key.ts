/** Identifies the VM that a host makes: a saved VM can be restored on every host with the same key. */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { sha256Hex } from "../util/sha256.ts";
import { ownFirmware } from "../vm/own-firmware.ts";
import { identityOf } from "./file-hash.ts";

/** Increase when this program makes a different VM from the same configuration. */
const version = 2;
const keyLength = 16;

/**
 * Computed from the configuration and QEMU. Kernel and initrd do not matter, because they are in the saved memory.
 * @throws KumiteError `hypervisor/not-found` naming the missing file
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
