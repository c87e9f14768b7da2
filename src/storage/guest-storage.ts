/** Messages of the agent protocol about storage, as far as they are used: types only. */

/** Something to be mounted in the guest. */
export interface GuestStorage {
  readonly driver: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: string[];
  readonly mountPoint: string;
  readonly driverOptions?: string[];
}

/** A device of the machine that a container sees. */
export interface GuestDevice {
  readonly id: string;
  readonly type: string;
  readonly containerPath: string;
  readonly options: string[];
}
