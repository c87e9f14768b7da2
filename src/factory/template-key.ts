/**
 * What a template is of: two requests with one key get clones of one machine, wherever the files are that it is made of and
 * whichever program asks.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { sha256Hex } from "../util/sha256.ts";
import { ownFirmware } from "../vm/own-firmware.ts";
import { hasOwnKernel } from "../vm/vm-spec.ts";
import { fileHashes, identityOf } from "./file-hash.ts";
import type { MachineShape } from "./template-store.ts";

/** Changes with what a template has to be like, so that one of another version of this program is none. */
const version = 5;
const keyLength = 16;

/**
 * @param scope only requests of one scope share a template; empty for all of the host
 * @throws KumiteError of `fileHashes`
 */
export async function templateKey(os: Os, config: Config, shape: MachineShape, scope: string): Promise<string> {
  const { agent, runtime } = config;
  // Of these the content counts, not where they are. The VMM keeps its path: it finds firmware by that.
  const {
    kernel: _1,
    initrd: _2,
    image: _3,
    firmware: _4,
    firmwareVolume: _5,
    ...machine
  } = hypervisorConfigOf(config);
  const files = await partsOf(os, config);
  const names = Object.keys(files);
  const hashes = await fileHashes(os, config.factory.templatePath, Object.values(files));
  const content = Object.fromEntries(names.map((name, index) => [name, hashes[index]]));
  const { path: _agentPath, ...agentWay } = agent;
  const upperMiB = shape === "directory" ? 0 : runtime.rootfsImages.upperMiB;
  // Decides what its devices are.
  const ownKernel = hasOwnKernel(config);
  const { hypervisor } = config;
  const parts = { version, scope, shape, upperMiB, hypervisor, content, ownKernel, machine, agent: agentWay };
  return sha256Hex(JSON.stringify(parts)).slice(0, keyLength);
}

/**
 * The files of a machine as the file system names them: another text as soon as one is replaced or written to. Reads none.
 * @throws KumiteError `hypervisor/not-found` naming a file that is missing
 */
export async function machineFiles(os: Os, config: Config): Promise<string> {
  const paths = Object.values(await partsOf(os, config));
  return (await Promise.all(paths.map(async (path) => `${path} ${await identityOf(os, path)}`))).join("\n");
}

async function partsOf(os: Os, config: Config): Promise<Record<string, string>> {
  const { path, kernel, initrd, image, firmware, firmwareVolume } = hypervisorConfigOf(config);
  const parts = { vmm: path, kernel, initrd, image, firmware, firmwareVolume, ...(await ownFirmware(os, config)) };
  return Object.fromEntries(Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined));
}
