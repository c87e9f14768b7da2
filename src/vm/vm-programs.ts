/** The processes that a VM would consist of, for a caller that starts them ahead of the VM. */
import type { Config } from "../config/config.ts";
import type { DriverProgram, StartContext } from "../hypervisor/driver.ts";
import type { Os } from "../sys/os.ts";
import { driverFor } from "./driver-for.ts";
import { specOf, type VmRequest } from "./vm-spec.ts";

/**
 * The programs that `startVm` would start for the same request; `undefined` if the driver does not support this. Starts
 * and makes nothing.
 * @throws KumiteError as `startVm`, or if something would have to be tried out first
 */
export async function vmPrograms(
  os: Os,
  config: Config,
  request: VmRequest,
  signal: AbortSignal,
): Promise<readonly DriverProgram[] | undefined> {
  const driver = driverFor(os, config);
  const context: StartContext = {
    willMake: ({ kind }) => Promise.reject(new Error(`a ${kind} would have to be made to know`)),
    made: async () => {},
    signal,
    log: () => {},
  };
  return driver.programs?.(specOf(config, request, driver.capabilities), context);
}
