/**
 * What a template is of: two requests with one key get clones of one machine. Looks at the files that the machine is made
 * of, and reads none of them.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { sha256Hex } from "../util/sha256.ts";
import type { MachineShape } from "./machine-shape.ts";

/** Changes with what a template has to be like, so that one of another version of this program is none. */
const version = 1;
const keyLength = 16;

/**
 * @param scope only requests of one scope share a template; empty for all of the host
 * @throws KumiteError `hypervisor/not-found` naming the file that is missing
 */
export async function templateKey(os: Os, config: Config, shape: MachineShape, scope: string): Promise<string> {
  const { agent } = config;
  const machine = hypervisorConfigOf(config);
  const paths = [machine.path, machine.kernel, machine.initrd, machine.image, machine.firmware];
  const files = await Promise.all(paths.map((path) => (path === undefined ? "" : fingerprint(os, path))));
  const parts = { version, scope, shape, hypervisor: config.hypervisor, files, machine, agent };
  return sha256Hex(JSON.stringify(parts)).slice(0, keyLength);
}

/** A file that is replaced has another inode, one that is written to another time: either is another machine. */
export async function fingerprint(os: Os, path: string): Promise<string> {
  const status = await os.files.status(path);
  if (status === undefined) {
    throw new KumiteError("hypervisor/not-found", `${path} is missing`, { phase: "template.find", data: { path } });
  }
  const { device, inode, size, modifiedMs } = status;
  return `${path} ${device} ${inode} ${size} ${modifiedMs}`;
}
