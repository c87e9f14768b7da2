/** Which driver the configuration asks for: the only place that names them. */
import type { Config } from "../config/config.ts";
import type { Driver } from "../hypervisor/driver.ts";
import { processDriver } from "../hypervisor/process/process-driver.ts";
import { qemuDriver } from "../hypervisor/qemu/qemu-driver.ts";
import type { Os } from "../sys/os.ts";

export function driverFor(os: Os, config: Config): Driver {
  switch (config.hypervisor) {
    case "qemu":
      return qemuDriver(os, config.qemu);
    case "process":
      return processDriver(os);
  }
}
