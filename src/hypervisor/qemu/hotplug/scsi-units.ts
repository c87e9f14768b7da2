/** Tracks the units in use on the VM's SCSI controller. The first ones are the disks with which the VM was started. */

/** Targets per controller times units per target. */
const mostUnits = 256 * 256;

export class ScsiUnits {
  readonly #taken: Set<number>;

  /** @param first the number of SCSI disks with which the VM was started */
  constructor(first: number) {
    this.#taken = new Set(Array.from({ length: first }, (_, unit) => unit));
  }

  /** Takes the lowest free unit. */
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
