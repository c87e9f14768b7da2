/** Plugs network interfaces into a running VM. */
import type { Os } from "../../../sys/os.ts";
import type { PluggedDevice } from "../../plug.ts";
import type { NetworkTap } from "../../spec.ts";
import { type PlugContext, removeDevice } from "./context.ts";
import { removableOnce } from "./removable.ts";
import { addDevice, isUndecided, takeBack, undoing } from "./undoing.ts";

const [tapFd, vhostFd] = ["tap", "vhost"];
const vhostNet = { kind: "readWrite", path: "/dev/vhost-net" } as const;

/** As `MachinePlug.addNetwork`. Names follow the same scheme as for interfaces on the command line. */
export async function addNetwork(
  os: Os,
  context: PlugContext,
  { id, macAddress, tap, vhost }: NetworkTap,
  signal?: AbortSignal,
): Promise<PluggedDevice> {
  const { monitor, places } = context;
  const device = `nic-${id}`;
  const place = await places.take(signal);
  const removeBackend = async (): Promise<void> => void (await monitor.execute("netdev_del", { id }));
  try {
    // QEMU cannot open the devices itself.
    await monitor.executeWith(os.sockets, { kind: "tap", path: tap }, "getfd", { fdname: tapFd }, { signal });
    if (vhost === true) await monitor.executeWith(os.sockets, vhostNet, "getfd", { fdname: vhostFd }, { signal });
    const backend = { type: "tap", id, fd: tapFd, ...(vhost === true ? { vhost, vhostfd: vhostFd } : {}) };
    await monitor.execute("netdev_add", backend, { signal });
  } catch (error) {
    if (isUndecided(error, signal)) await takeBack(context, `backend of ${device}`, removeBackend);
    // The tap itself is in use as long as QEMU has it open.
    for (const fdname of [tapFd, vhostFd]) {
      await takeBack(context, `descriptor of ${tap}`, () => monitor.execute("closefd", { fdname }));
    }
    places.giveBack(place);
    throw error;
  }
  const where = { bus: place.bus, addr: place.slot.toString(16), romfile: "" };
  const properties = { driver: "virtio-net-pci", id: device, netdev: id, mac: macAddress, ...where };
  const adding = addDevice(context, properties, () => places.giveBack(place), signal);
  await undoing(context, `backend of ${device}`, removeBackend, adding);
  return removableOnce(device, { kind: "pci", path: place.path }, async (within) => {
    await removeDevice(context, device, within);
    places.giveBack(place);
    await removeBackend();
  });
}
