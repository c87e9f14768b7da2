/** The processes that a machine would be, for whoever can start them ahead of it. */
import type { Config } from "../config/config.ts";
import type { DriverProgram, StartContext } from "../hypervisor/driver.ts";
import type { Os } from "../sys/os.ts";
import { driverFor } from "./driver-for.ts";
import { specOf, type VmRequest } from "./vm-spec.ts";

/**
 * What `startVm` would start for the same request; `undefined` where its driver does not tell. Starts and makes nothing.
 * @throws KumiteError as `startVm`, and where something would have to be tried out first
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
