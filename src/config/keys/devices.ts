/** Keys of `[hypervisor.*]`: buses, devices, network, and confidential VMs. */
import { bool, count, exactMax, type KeyTable, list, text } from "../key.ts";

const hypervisor = (name: string) => `config.hypervisor.${name}`;
const ports = ["no-port", "bridge-port", "root-port", "switch-port"] as const;

export const deviceKeys = {
  default_bridges: count(
    "PCI bridges for hotplugged devices; 0 means 1, more than 5 mean 5; with 1 the driver may use something better instead.",
    "1.0.0",
    {
      of: ["qemu", "firecracker"],
      default: 1,
    },
  ),
  hotplug_vfio_on_root_bus: bool("Devices of the host are hotplugged on the root bus.", "1.3.0", {
    until: "3.1.0",
    of: ["qemu", "clh"],
    annotation: hypervisor("hotplug_vfio_on_root_bus"),
  }),
  pcie_root_port: count("PCIe root ports for devices of the host; more than 16 mean 16.", "1.11.0", {
    of: ["qemu"],
    annotation: hypervisor("pcie_root_port"),
  }),
  pcie_switch_port: count("PCIe switch ports for devices of the host; more than 16 mean 16.", "3.6.0", {
    of: ["qemu"],
    annotation: hypervisor("pcie_switch_port"),
  }),
  hot_plug_vfio: text("Where devices of the host are hotplugged.", "3.2.0", {
    of: ["qemu", "clh"],
    default: "no-port",
    choices: ports,
    annotation: hypervisor("hot_plug_vfio"),
  }),
  cold_plug_vfio: text("Where devices of the host are attached at the start.", "3.2.0", {
    of: ["qemu", "clh"],
    default: "no-port",
    choices: ports,
    annotation: hypervisor("cold_plug_vfio"),
  }),
  enable_iommu: bool("The guest has an IOMMU.", "1.12.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("enable_iommu"),
  }),
  enable_iommu_platform: bool("virtio devices use the IOMMU.", "1.12.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("enable_iommu_platform"),
  }),
  disable_vhost_net: bool("Packets go through the VMM instead of the host's kernel (vhost).", "1.3.0", {
    of: ["qemu"],
    annotation: hypervisor("disable_vhost_net"),
  }),
  use_vsock: bool("The agent is reached over vsock.", "1.2.0", {
    until: "1.13.0-alpha0",
    of: ["qemu"],
    annotation: hypervisor("use_vsock"),
  }),
  entropy_source: text("Where the guest's randomness comes from.", "1.3.0", {
    of: ["qemu", "clh"],
    default: "/dev/urandom",
    path: "absolute",
    annotation: hypervisor("entropy_source"),
    allowedBy: "valid_entropy_sources",
  }),
  valid_entropy_sources: list("Files that the annotation for `entropy_source` may name.", "2.1.0", {
    of: ["qemu", "clh"],
    items: "glob",
  }),
  disable_nesting_checks: bool(
    "A VM inside a VM is started like any other; otherwise its virtio devices are in legacy mode.",
    "1.0.0",
    { of: ["qemu"] },
  ),
  rx_rate_limiter_max_rate: count("Bits per second that a VM may receive; 0: no limit.", "2.0.0", {
    of: ["qemu", "firecracker"],
    max: exactMax,
    annotation: hypervisor("rx_rate_limiter_max_rate"),
  }),
  tx_rate_limiter_max_rate: count("Bits per second that a VM may send; 0: no limit.", "2.0.0", {
    of: ["qemu", "firecracker"],
    max: exactMax,
    annotation: hypervisor("tx_rate_limiter_max_rate"),
  }),
  net_rate_limiter_bw_max_rate: rate("Bits per second of all network cards; 0: no limit."),
  net_rate_limiter_bw_one_time_burst: rate("Initial burst in bits."),
  net_rate_limiter_ops_max_rate: rate("Packets per second of all network cards; 0: no limit."),
  net_rate_limiter_ops_one_time_burst: rate("Initial burst in packets."),
  guest_memory_dump_path: text("Directory for memory dumps of guests that panic; empty: none are written.", "2.1.0", {
    of: ["qemu"],
    path: "made",
  }),
  guest_memory_dump_paging: bool("The dump contains virtual instead of physical memory.", "2.1.0", { of: ["qemu"] }),
  use_legacy_serial: bool(
    "The console is a legacy serial port. Kumite always uses one, so that no output of the kernel is lost.",
    "2.5.0",
    {
      of: ["qemu"],
      annotation: hypervisor("use_legacy_serial"),
    },
  ),
  extra_monitor_socket: text("An additional QEMU monitor; only with `enable_debug`.", "3.2.0", {
    of: ["qemu"],
    choices: ["", "hmp", "qmp", "qmp-pretty"],
  }),
  confidential_guest: bool("The VM's memory is hidden from the host.", "2.2.0", { of: ["qemu", "clh"] }),
  sev_snp_guest: bool("AMD SEV-SNP hides the VM's memory.", "3.1.0", { of: ["qemu"] }),
  snp_id_block: text("The identity of an SEV-SNP guest.", "3.15.0", { of: ["qemu"] }),
  snp_id_auth: text("The signature of an SEV-SNP guest's identity.", "3.15.0", { of: ["qemu"] }),
  snp_guest_policy: count("The policy of an SEV-SNP guest.", "3.20.0", {
    of: ["qemu"],
    default: 196_608,
    max: exactMax,
  }),
  snp_certs_path: text("Certificates of SEV-SNP.", "3.7.0", { until: "3.13.0", of: ["qemu"], path: "absolute" }),
  tdx_quote_generation_service_socket_port: count("The port of TDX's quote service.", "3.6.0", {
    of: ["qemu"],
    default: 4050,
  }),
  measurement_algo: text("The hash of measurements.", "3.22.0", {
    of: ["qemu"],
    default: "sha512",
    choices: ["sha256", "sha384", "sha512"],
  }),
  remote_hypervisor_socket: text("The socket of a remote hypervisor.", "3.3.0", {
    of: [],
    default: "/run/peerpod/hypervisor.sock",
    path: "absolute",
  }),
  remote_hypervisor_timeout: count("Timeout of the remote hypervisor.", "3.3.0", {
    of: [],
    unit: "seconds",
    default: 600,
  }),
} as const satisfies KeyTable;

function rate(doc: string) {
  return count(doc, "2.5.0", { of: ["clh"], max: exactMax });
}
