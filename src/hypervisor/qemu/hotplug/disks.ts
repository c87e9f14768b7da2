/** Plugs disks into a running VM. */
import type { OpenedDescriptor, Os } from "../../../sys/os.ts";
import { isSystemError, KumiteError } from "../../../util/errors.ts";
import type { GuestAddress, PluggedDevice } from "../../plug.ts";
import type { Disk } from "../../spec.ts";
import { orWithThreads } from "../io-uring.ts";
import { type PlugContext, removeDevice } from "./context.ts";
import { plugFailed } from "./failure.ts";
import { removableOnce } from "./removable.ts";
import { addDevice, isUndecided, takeBack, undoing } from "./undoing.ts";

/** As `MachinePlug.addDisk`. Names follow the same scheme as for disks on the command line. */
export async function addDisk(os: Os, context: PlugContext, disk: Disk, signal?: AbortSignal): Promise<PluggedDevice> {
  const { monitor } = context;
  const [image, id] = [`image-${disk.id}`, `disk-${disk.id}`];
  await orWithThreads(os, context.log, [disk], async ([served = disk]) => addImage(os, context, image, served, signal));
  const removeImage = async (): Promise<void> => void (await monitor.execute("blockdev-del", { "node-name": image }));
  try {
    const thread = await threadFor(context, disk, signal);
    const removeThread = async (): Promise<void> => {
      if (thread !== undefined) await monitor.execute("object-del", { id: thread });
    };
    const plugging = plug(context, disk, { image, id, thread }, signal);
    const { address, release } = await undoing(context, `thread of ${id}`, removeThread, plugging);
    return removableOnce(id, address, async (within) => {
      await removeDevice(context, id, within);
      release();
      await removeThread();
      await removeImage();
    });
  } catch (error) {
    await takeBack(context, image, removeImage);
    throw error;
  }
}

/** Adds the block node behind the disk. */
async function addImage(
  os: Os,
  context: PlugContext,
  image: string,
  { id, path, readOnly, cache = { direct: false, noFlush: false }, aio = "threads" }: Disk,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { monitor } = context;
  const status = await os.files.status(path);
  if (status === undefined) throw plugFailed(`disk ${id}: ${path} does not exist`, { data: { path } });
  // QEMU cannot open the file itself.
  const set = await handOver(
    os,
    context,
    { kind: readOnly ? "read" : "readWrite", path, direct: cache.direct },
    signal,
  );
  try {
    await monitor.execute(
      "blockdev-add",
      {
        driver: "raw",
        "node-name": image,
        "read-only": readOnly,
        cache: { direct: cache.direct, "no-flush": cache.noFlush },
        file: { driver: status.kind === "block" ? "host_device" : "file", filename: `/dev/fdset/${set}`, aio },
      },
      { signal },
    );
  } catch (error) {
    if (isUndecided(error, signal)) {
      await takeBack(context, image, () => monitor.execute("blockdev-del", { "node-name": image }));
    }
    throw error;
  } finally {
    await takeBack(context, `set ${set} with ${path}`, () => monitor.execute("remove-fd", { "fdset-id": set }));
  }
}

/** Disks on a SCSI bus are served by their controller's thread. */
async function threadFor(
  { monitor }: PlugContext,
  { id, bus, ownThread }: Disk,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (ownThread !== true || bus !== "virtio-blk") return undefined;
  const thread = `thread-${id}`;
  await monitor.execute("object-add", { "qom-type": "iothread", id: thread }, { signal });
  return thread;
}

/** Passes a file to QEMU and returns the number of its descriptor set. */
export async function handOver(
  os: Os,
  { monitor }: PlugContext,
  descriptor: OpenedDescriptor,
  signal: AbortSignal | undefined,
): Promise<number> {
  try {
    return await monitor.executeWith(os.sockets, descriptor, "add-fd", {}, { signal });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw plugFailed(`${descriptor.path} cannot be passed to QEMU`, {
      data: { path: descriptor.path },
      cause: error,
    });
  }
}

interface Plugged {
  readonly address: GuestAddress;
  readonly release: () => void;
}

async function plug(
  context: PlugContext,
  disk: Disk,
  { image, id, thread }: { readonly image: string; readonly id: string; readonly thread: string | undefined },
  signal: AbortSignal | undefined,
): Promise<Plugged> {
  const { places, scsiUnits } = context;
  const properties = {
    id,
    drive: image,
    "share-rw": disk.exclusive !== true,
    serial: disk.serial,
    logical_block_size: disk.logicalSectorBytes,
    physical_block_size: disk.physicalSectorBytes,
  };
  switch (disk.bus) {
    case "virtio-blk": {
      const place = await places.take(signal);
      const release = (): void => places.giveBack(place);
      const where = { bus: place.bus, addr: place.slot.toString(16), romfile: "" };
      const device = { driver: "virtio-blk-pci", ...properties, ...where, iothread: thread };
      await addDevice(context, device, release, signal);
      return { address: { kind: "pci", path: place.path }, release };
    }
    case "virtio-scsi": {
      const unit = scsiUnits.take();
      const release = (): void => scsiUnits.giveBack(unit);
      const [target, lun] = [Math.floor(unit / unitsOfTarget), unit % unitsOfTarget];
      const where = { bus: scsiBus, "scsi-id": target, lun };
      await addDevice(context, { driver: "scsi-hd", ...properties, ...where }, release, signal);
      return { address: { kind: "scsi", address: `${target}:${lun}` }, release };
    }
    case "nvdimm":
      throw new KumiteError("hypervisor/unsupported", `disk ${disk.id}: an nvdimm cannot be added to a running VM`, {
        phase: "hypervisor.plug",
        hint: "use virtio-blk or virtio-scsi",
      });
  }
}

/** Units per SCSI target, and the bus of the VM's controller. */
const unitsOfTarget = 256;
const scsiBus = "scsi0.0";
