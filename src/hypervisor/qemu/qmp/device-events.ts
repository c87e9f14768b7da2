/**
 * Events about devices: the guest has accepted one, released one, or refuses to. Register before sending the command.
 */
import { KumiteError } from "../../../util/errors.ts";

export type DeviceEvent =
  /** `path` also identifies parts of a device, which have no name of their own. */
  | { readonly name: "DEVICE_DELETED"; readonly device: string; readonly path: string }
  | { readonly name: "DEVICE_UNPLUG_GUEST_ERROR"; readonly device: string }
  /** The result reported by the guest's ACPI; `source` 3 is a removal. */
  | { readonly name: "ACPI_DEVICE_OST"; readonly device: string; readonly source: number; readonly status: number };

/** As for `_OST` in the ACPI specification. */
const removalSource = 3;
/** Where QEMU keeps named devices. */
export const pathOfNamed = "/machine/peripheral/";
/** Status "in progress". */
const inProgress = 0x84;

type Watcher = (event: DeviceEvent) => void;

export class DeviceEvents {
  readonly #watchers = new Set<Watcher>();

  take(event: DeviceEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
  }

  /** Resolves with the first result of `match` that is not `undefined`; rejects if `match` throws. */
  expect<T>(match: (event: DeviceEvent) => T | undefined): Expectation<T> {
    let watcher: Watcher = () => {};
    const promise = new Promise<T>((resolve, reject) => {
      watcher = (event) => {
        try {
          const answer = match(event);
          if (answer !== undefined) resolve(answer);
        } catch (error) {
          reject(error);
        }
      };
      this.#watchers.add(watcher);
    });
    // Nobody may await this if the command itself fails.
    promise.catch(() => {});
    return { promise, [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  /**
   * Resolves when the device is gone; with `part`, when that part is gone, because QEMU 7.2 reports no more than that
   * for a vCPU.
   * @throws KumiteError `hypervisor/plug-failed` if the guest refuses
   */
  removalOf(device: string, part?: string): Expectation<true> {
    const partPath = part === undefined ? undefined : `${pathOfNamed}${device}/${part}`;
    return this.expect((event) => {
      if (event.name === "DEVICE_DELETED" && event.path === partPath) return true;
      if (event.device !== device) return undefined;
      switch (event.name) {
        case "DEVICE_DELETED":
          return true;
        case "DEVICE_UNPLUG_GUEST_ERROR":
          throw refused(device);
        case "ACPI_DEVICE_OST":
          if (event.source === removalSource && event.status !== 0 && event.status !== inProgress)
            throw refused(device);
          return undefined;
      }
    });
  }

  /** Resolves when the guest's ACPI has handled the new device, with false if it refused the device. */
  acceptanceOf(device: string): Expectation<boolean> {
    return this.expect((event) => {
      if (event.name !== "ACPI_DEVICE_OST" || event.device !== device || event.source === removalSource)
        return undefined;
      return event.status === 0;
    });
  }
}

export interface Expectation<T> extends Disposable {
  readonly promise: Promise<T>;
}

function refused(device: string): KumiteError {
  return new KumiteError("hypervisor/plug-failed", `the guest refuses to release ${device}`, { data: { device } });
}
