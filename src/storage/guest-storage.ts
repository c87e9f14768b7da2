/** The fields used of the agent protocol's storage messages; types only. */

/** Something that the guest mounts. */
export interface GuestStorage {
  readonly driver: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: string[];
  readonly mountPoint: string;
  readonly driverOptions?: string[];
}

/** A device of the VM that a container sees. */
export interface GuestDevice {
  readonly id: string;
  readonly type: string;
  readonly containerPath: string;
  readonly options: string[];
}
