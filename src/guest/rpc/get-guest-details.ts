/** GetGuestDetails: the features of this agent and its kernel. */
import { GuestDetailsRequest, GuestDetailsResponse } from "../../protocol/gen/kata/agent.ts";
import { statIfExists } from "../../sys/linux/stat.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { diskDrivers, storageDrivers } from "../storage/drivers.ts";
import { agentVersion } from "../version.ts";
import { rpc } from "./rpc.ts";

const memoryDirectory = "/sys/devices/system/memory";
const acpiHotplug = "/sys/firmware/acpi/hotplug/memory/enabled";

export const getGuestDetails = rpc("GetGuestDetails", GuestDetailsRequest, GuestDetailsResponse, (agent, request) => ({
  memBlockSizeBytes: request.memBlockSize ? memoryBlockSize() : 0n,
  supportMemHotplugProbe: request.memHotplugProbe ? canProbe() : false,
  agentDetails: {
    version: agentVersion,
    initDaemon: agent.ownsKernel,
    deviceHandlers: [...diskDrivers],
    storageHandlers: [...storageDrivers],
    supportsSeccomp: true,
    extraFeatures: [],
  },
}));

/** In bytes; 0 when the kernel has no memory blocks. */
function memoryBlockSize(): bigint {
  const text = read(`${memoryDirectory}/block_size_bytes`);
  return text !== undefined && /^[0-9a-f]{1,16}$/.test(text) ? BigInt(`0x${text}`) : 0n;
}

/** Whether memory is added by writing its address. Where ACPI adds memory, the kernel detects it. */
function canProbe(): boolean {
  return statIfExists(`${memoryDirectory}/probe`) !== undefined && read(acpiHotplug) !== "1";
}

function read(file: string): string | undefined {
  try {
    return readFileText(file).trim();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
