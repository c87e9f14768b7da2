/** Which driver the configuration asks for: the only place that names them. */
import type { Config } from "../config/config.ts";
import type { Driver } from "../hypervisor/driver.ts";
import { processDriver } from "../hypervisor/process/process-driver.ts";
import type { QemuDriverOptions } from "../hypervisor/qemu/options.ts";
import { qemuDriver } from "../hypervisor/qemu/qemu-driver.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

export function driverFor(os: Os, config: Config): Driver {
  switch (config.hypervisor) {
    case "qemu":
      refuseOtherBoards(config);
      return qemuDriver(os, optionsOf(config));
    case "process":
      return processDriver(os);
    case "firecracker":
    case "clh":
      throw new KumiteError("hypervisor/unsupported", `there is no driver for ${config.hypervisor} yet`, {
        phase: "vm.start",
        hint: "use the hypervisor qemu",
      });
  }
}

function optionsOf({ qemu }: Config): QemuDriverOptions {
  const { path, virtioFsDaemons, accelerator, debug } = qemu;
  return { path, virtioFsDaemons, accelerator, debug };
}

/** The configuration knows more boards than the driver does. */
function refuseOtherBoards({ qemu }: Config): void {
  if (qemu.machineType === "q35") return;
  throw new KumiteError(
    "hypervisor/unsupported",
    `machine_type is ${qemu.machineType}, and q35 is the only board yet`,
    {
      phase: "vm.start",
      hint: "remove machine_type from [hypervisor.qemu]",
    },
  );
}
