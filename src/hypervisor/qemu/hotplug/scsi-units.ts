/** Which units of the machine's SCSI controller are in use: those of its own disks come first. */

/** Targets of a controller and units of a target. */
const mostUnits = 256 * 256;

export class ScsiUnits {
  readonly #taken: Set<number>;

  /** @param first how many disks the machine was started with */
  constructor(first: number) {
    this.#taken = new Set(Array.from({ length: first }, (_, unit) => unit));
  }

  /** The lowest that is free. */
  take(): number {
    let unit = 0;
    while (this.#taken.has(unit)) unit += 1;
    if (unit >= mostUnits) throw new RangeError("all units of the SCSI controller are in use");
    this.#taken.add(unit);
    return unit;
  }

  giveBack(unit: number): void {
    this.#taken.delete(unit);
  }
}
