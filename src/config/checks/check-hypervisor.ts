/** Checks for contradictions within a hypervisor's table. Pure. */
import { oneLine } from "../../util/text.ts";
import type { EffectiveHypervisor } from "../effective.ts";
import { rank } from "../problem.ts";
import { parseVerity } from "../verity.ts";
import { type CheckContext, wrong } from "./check-context.ts";

export function checkHypervisor(context: CheckContext): void {
  const { effective, settings } = context;
  const { chosen, era } = effective;
  const table = `hypervisor.${chosen}`;
  const values = effective.hypervisors[chosen];
  const fails = (key: string, reason: string): void =>
    wrong(context, table, key, `${table}.${key}: ${reason}`, rank.hypervisor);
  if (chosen === "clh" && values.shared_fs === "virtio-9p")
    fails("shared_fs", "Cloud Hypervisor does not support virtio-9p");
  if (chosen === "clh" && era !== "3.x" && settings.get(table, "initrd")?.value) {
    fails("initrd", "Cloud Hypervisor starts from an image");
  }
  if (chosen === "firecracker" && settings.has(table, "shared_fs") && values.shared_fs !== "none") {
    fails("shared_fs", "Firecracker has no shared file systems");
  }
  checkSectors(context, table, values);
  checkVfio(context, table, values);
  if (values.enable_vhost_user_store && !values.enable_hugepages) {
    fails("enable_vhost_user_store", "needs enable_hugepages");
  }
  if (values.enable_iommu && chosen === "qemu" && values.machine_type !== "q35") {
    fails("enable_iommu", `machine type ${values.machine_type} has no IOMMU, only q35 has one`);
  }
  if (values.confidential_guest && values.block_device_driver === "virtio-mmio") {
    fails("confidential_guest", "cannot be used with block_device_driver = virtio-mmio");
  }
  if (values.numa_mapping.length > 1 && values.enable_numa && !effective.runtime.static_sandbox_resource_mgmt) {
    fails("numa_mapping", "several nodes need static_sandbox_resource_mgmt in [runtime]");
  }
  if (values.block_device_aio === "native" && !(values.block_device_cache_set && values.block_device_cache_direct)) {
    fails("block_device_aio", "native needs block_device_cache_set and block_device_cache_direct");
  }
  const verity = parseVerity(values.kernel_verity_params);
  if (typeof verity === "string") fails("kernel_verity_params", verity);
  if (verity !== undefined && values.image === "") fails("kernel_verity_params", "is set, but image is not");
  checkExtensionImages(fails, values);
}

function checkSectors(context: CheckContext, table: string, values: EffectiveHypervisor): void {
  const sizes = ["block_device_logical_sector_size", "block_device_physical_sector_size"] as const;
  for (const key of sizes) {
    const size = values[key];
    const fits = size === 0 || (size >= 512 && size <= 65_536 && Number.isInteger(Math.log2(size)));
    if (!fits)
      wrong(
        context,
        table,
        key,
        `${table}.${key} is ${size}, but must be 0 or a power of two from 512 to 65536`,
        rank.hypervisor,
      );
  }
  const [logical, physical] = [values[sizes[0]], values[sizes[1]]];
  if (physical !== 0 && logical > physical) {
    wrong(
      context,
      table,
      sizes[0],
      `${table}.${sizes[0]} is ${logical}, larger than ${sizes[1]}, ${physical}`,
      rank.hypervisor,
    );
  }
}

function checkVfio(context: CheckContext, table: string, values: EffectiveHypervisor): void {
  const { cold_plug_vfio: cold, hot_plug_vfio: hot, machine_type: machine } = values;
  if (cold !== "no-port" && hot !== "no-port") {
    wrong(
      context,
      table,
      "cold_plug_vfio",
      `${table}: cold_plug_vfio and hot_plug_vfio are both set, but only one of them can be`,
      rank.hypervisor,
    );
  }
  const taken = table === "hypervisor.clh" ? ["root-port"] : ["bridge-port", "root-port", "switch-port"];
  for (const [key, port] of [["cold_plug_vfio", cold] as const, ["hot_plug_vfio", hot] as const]) {
    const counts = table === "hypervisor.clh" || machine === "q35" || machine === "virt";
    if (port === "no-port" || !counts || taken.includes(port)) continue;
    wrong(context, table, key, `${table}.${key} is ${port}, but must be one of ${taken.join(", ")}`, rank.hypervisor);
  }
}

function checkExtensionImages(fails: (key: string, reason: string) => void, values: EffectiveHypervisor): void {
  for (const { name = "", path = "", verity_params = "" } of values.guest_extension_images) {
    if (!/^[A-Za-z0-9_-]+$/.test(name)) {
      fails("guest_extension_images", `the name ${JSON.stringify(name)} may have ASCII letters, digits, - and _ only`);
    }
    if (!path.startsWith("/")) fails("guest_extension_images", `the path of ${oneLine(name, 60)} must be absolute`);
    const fault = parseVerity(verity_params);
    if (typeof fault === "string") fails("guest_extension_images", `verity_params of ${oneLine(name, 60)}: ${fault}`);
  }
}
