/**
 * The agent as the first process of a VM: everything between the kernel's start and the first session with the host.
 */
import { readdir } from "../../sys/linux/directory.ts";
import { closeQuietly, dup3, open } from "../../sys/linux/file.ts";
import { bringUpLoopback } from "../../sys/linux/interface.ts";
import { REBOOT_POWER_OFF, reboot, sync } from "../../sys/linux/machine.ts";
import { O_NOCTTY, O_RDWR } from "../../sys/linux/open-flags.ts";
import { statIfExists } from "../../sys/linux/stat.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { IndexedModules, type ModuleLoader, noModules } from "../modules/module-loader.ts";
import { mountForContainers, mountForMachine } from "./file-systems.ts";
import { emptyInitramfs, isInitramfs, removeConsole } from "./initramfs.ts";
import { makeRootMovable } from "./movable-root.ts";

/** Comes first, since no error can be reported without a console. */
export function prepareMachine(): void {
  makeRootMovable();
  if (isInitramfs()) removeConsole();
  mountForMachine();
  useConsole();
}

/** After this the port to the host exists. */
export function loadDrivers(): ModuleLoader {
  const modules = IndexedModules.fromImage();
  if (modules !== undefined) loadForDevices(modules);
  return modules ?? noModules;
}

/** Prepares what only containers need. */
export function finishMachine(modules: ModuleLoader): void {
  mountForContainers();
  if (modules instanceof IndexedModules) loadUnasked(modules);
  if (isInitramfs()) {
    if (modules instanceof IndexedModules) modules.takeFiles();
    emptyInitramfs();
  }
  bringUpLoopback();
}

/** Loads the drivers of this board's buses and of the port to the host. */
function loadForDevices(modules: IndexedModules): void {
  modules.need(namesIn("/sys/bus/pci/devices").length > 0 ? "virtio_pci" : "virtio_mmio");
  modules.loadEarly();
}

/** Loads drivers that no request would ask for later. */
function loadUnasked(modules: IndexedModules): void {
  if (namesIn(panicDevice).length > 0) modules.need("pvpanic_mmio");
  for (const name of namesIn(virtioDevices)) {
    const type = Number(readFileText(`${virtioDevices}/${name}/device`));
    const driver = unaskedDrivers.get(type);
    if (driver !== undefined) modules.need(driver);
  }
}

/** The panic device of the board, from the ACPI tables. */
const panicDevice = "/sys/bus/acpi/devices/QEMU0001:00";
const virtioDevices = "/sys/bus/virtio/devices";

/** Drivers that work without being used by name, by the number of the device (Virtio 1.2, section 5). */
const unaskedDrivers: ReadonlyMap<number, string> = new Map([
  [4, "virtio_rng"],
  [5, "virtio_balloon"],
]);

/** Empty for a directory that is missing because the kernel has no such devices. */
function namesIn(path: string): string[] {
  return statIfExists(path) === undefined ? [] : readdir(path).map(({ name }) => name);
}

/** For an agent that cannot serve anybody. The host's VM driver sees the VM end and shows its console. */
export function powerOff(): void {
  sync();
  reboot(REBOOT_POWER_OFF);
}

/** The kernel opens the console for the first process only if the image has the node. */
function useConsole(): void {
  let fd: number;
  try {
    fd = open("/dev/console", O_RDWR | O_NOCTTY);
  } catch (error) {
    // A VM without a console works, but shows no messages.
    if (isSystemError(error)) return;
    throw error;
  }
  for (const standard of [0, 1, 2]) if (fd !== standard) dup3(fd, standard, 0);
  if (fd > 2) closeQuietly(fd);
}
