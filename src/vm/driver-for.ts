/** Returns the driver for the configured hypervisor. Only this file names the drivers. */
import type { Config } from "../config/config.ts";
import type { Driver } from "../hypervisor/driver.ts";
import { processDriver } from "../hypervisor/process/process-driver.ts";
import { qemuDriver } from "../hypervisor/qemu/qemu-driver.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { qemuOptions } from "./qemu-options.ts";

export function driverFor(os: Os, config: Config): Driver {
  switch (config.hypervisor) {
    case "qemu":
      return qemuDriver(os, qemuOptions(config));
    case "process":
      return processDriver(os);
    case "firecracker":
    case "clh":
      throw new KumiteError("hypervisor/unsupported", `the hypervisor ${config.hypervisor} is not supported yet`, {
        phase: "vm.start",
        hint: 'set hypervisor = "qemu" in [runtime]',
      });
  }
}
