/** The agent as first process of a virtual machine: everything between the kernel and the first session with the host. */
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

/** First of all: without it there is nobody to tell of an error. */
export function prepareMachine(): void {
  makeRootMovable();
  if (isInitramfs()) removeConsole();
  mountForMachine();
  useConsole();
}

/** Afterwards the way to the host is there. */
export function loadDrivers(): ModuleLoader {
  const modules = IndexedModules.fromImage();
  if (modules !== undefined) loadForDevices(modules);
  return modules ?? noModules;
}

/** What only containers need. */
export function finishMachine(modules: ModuleLoader): void {
  mountForContainers();
  if (modules instanceof IndexedModules) loadUnasked(modules);
  if (isInitramfs()) {
    if (modules instanceof IndexedModules) modules.takeFiles();
    emptyInitramfs();
  }
  bringUpLoopback();
}

/** The way to the devices of this board, and the one to the host. */
function loadForDevices(modules: IndexedModules): void {
  modules.need(namesIn("/sys/bus/pci/devices").length > 0 ? "virtio_pci" : "virtio_mmio");
  modules.loadEarly();
}

/** What nothing would ask for later. */
function loadUnasked(modules: IndexedModules): void {
  if (namesIn(panicDevice).length > 0) modules.need("pvpanic_mmio");
  for (const name of namesIn(virtioDevices)) {
    const type = Number(readFileText(`${virtioDevices}/${name}/device`));
    const driver = unaskedDrivers.get(type);
    if (driver !== undefined) modules.need(driver);
  }
}

/** Of the board, in ACPI's tables. */
const panicDevice = "/sys/bus/acpi/devices/QEMU0001:00";
const virtioDevices = "/sys/bus/virtio/devices";

/** Drivers that work by themselves, by the number of the device (Virtio 1.2, 5). */
const unaskedDrivers: ReadonlyMap<number, string> = new Map([
  [4, "virtio_rng"],
  [5, "virtio_balloon"],
]);

/** Of a directory that a kernel without such devices lacks. */
function namesIn(path: string): string[] {
  return statIfExists(path) === undefined ? [] : readdir(path).map(({ name }) => name);
}

/** For a machine that cannot serve anybody: its driver sees it end and shows what was said. */
export function powerOff(): void {
  sync();
  reboot(REBOOT_POWER_OFF);
}

/** The kernel opens it for us only when the image has the node. */
function useConsole(): void {
  let fd: number;
  try {
    fd = open("/dev/console", O_RDWR | O_NOCTTY);
  } catch (error) {
    // A machine without a console is told nothing, and works.
    if (isSystemError(error)) return;
    throw error;
  }
  for (const standard of [0, 1, 2]) if (fd !== standard) dup3(fd, standard, 0);
  if (fd > 2) closeQuietly(fd);
}
