/**
 * Keys that are accepted without effect, and why. A value other than the default is reported once per key, with its
 * place. Whoever makes a key effective removes its line. The reference page is generated from this list too.
 */

const confidential = "no driver supports confidential VMs";
const vfio = "devices of the host cannot be attached to a VM yet";
const vhostUser = "vhost-user disks are not supported yet";
const clh = "it is for Cloud Hypervisor, which is not supported yet";
const network = "VMs have no network yet";
const tracing = "nothing is traced yet";
const numa = "a VM has one NUMA node";
const selinux = "the guest has no SELinux policy";
const selfMade = "Kumite does this itself";

const hypervisor: Readonly<Record<string, string>> = {
  ctlpath: "there is no driver for ACRN",
  valid_ctlpaths: "there is no driver for ACRN",
  guest_extension_images: "the guest has one image; use sandbox_bind_mounts for files of the host",
  seccompsandbox: "QEMU is always confined as far as possible",
  disable_seccomp: clh,
  disable_guest_selinux: selinux,
  hypervisor_loglevel: clh,
  enable_numa: numa,
  numa_mapping: numa,
  indep_iothreads: "with enable_iothreads every disk has a thread, hotplugged ones too",
  virtio_fs_cache_size: "QEMU has no such window for a shared directory",
  enable_vhost_user_store: vhostUser,
  vhost_user_store_path: vhostUser,
  vhost_user_reconnect_timeout_sec: vhostUser,
  disk_rate_limiter_bw_max_rate: clh,
  disk_rate_limiter_bw_one_time_burst: clh,
  disk_rate_limiter_ops_max_rate: clh,
  disk_rate_limiter_ops_one_time_burst: clh,
  hotplug_vfio_on_root_bus: vfio,
  pcie_switch_port: vfio,
  hot_plug_vfio: vfio,
  cold_plug_vfio: vfio,
  disable_vhost_net: network,
  use_vsock: "the agent is reached over virtio-serial",
  rx_rate_limiter_max_rate: network,
  tx_rate_limiter_max_rate: network,
  net_rate_limiter_bw_max_rate: clh,
  net_rate_limiter_bw_one_time_burst: clh,
  net_rate_limiter_ops_max_rate: clh,
  net_rate_limiter_ops_one_time_burst: clh,
  confidential_guest: confidential,
  sev_snp_guest: confidential,
  snp_id_block: confidential,
  snp_id_auth: confidential,
  snp_guest_policy: confidential,
  snp_certs_path: confidential,
  tdx_quote_generation_service_socket_port: confidential,
  measurement_algo: confidential,
  remote_hypervisor_socket: "there is no driver for a remote hypervisor",
  remote_hypervisor_timeout: "there is no driver for a remote hypervisor",
};

const agent: Readonly<Record<string, string>> = {
  enable_tracing: tracing,
  trace_mode: tracing,
  trace_type: tracing,
  cdh_api_timeout: confidential,
  launch_process_timeout: "Kumite's agent starts no such process",
  visible_cdi_devices: "Kumite's agent does not support CDI",
};

const runtime: Readonly<Record<string, string>> = {
  internetworking_model: network,
  enable_tracing: tracing,
  jaeger_endpoint: tracing,
  jaeger_user: tracing,
  jaeger_password: tracing,
  disable_new_netns: network,
  enable_agent_pidns: "no container can have the agent's pid namespace",
  vfio_mode: vfio,
  emptydir_mode: "an emptyDir volume is always a directory, of the host or of the guest",
  guest_selinux_label: selinux,
  enable_pprof: "the runtime is not a Go program",
  dan_conf: network,
  experimental_force_guest_pull: "the engine fetches images",
  kubelet_root_dir: "volumes of pods are recognised by the ends of their paths, wherever the kubelet's directory is",
  pod_resource_api_sock: vfio,
};

const factory: Readonly<Record<string, string>> = {};

const older: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  proxy: { path: selfMade, enable_debug: selfMade },
  shim: { path: selfMade, enable_debug: selfMade, enable_tracing: tracing },
  netmon: { enable_netmon: network, path: network, enable_debug: network },
  image: { service_offload: "the engine fetches images", provision: "the engine fetches images" },
};

const groups: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  hypervisor,
  agent,
  runtime,
  factory,
  ...older,
};

/** Why a key has no effect; `undefined` if it has one. */
export function whyNotHonoured(table: string, key: string): string | undefined {
  const [group = ""] = table.split(".", 1);
  const keys = groups[group];
  return keys !== undefined && Object.hasOwn(keys, key) ? keys[key] : undefined;
}

/** Keys that promise a protection: ignoring them would be less safe than the user believes. */
const promises: ReadonlySet<string> = new Set([
  "guest_selinux_label",
  "experimental_force_guest_pull",
  "disable_new_netns",
]);

export function isPromise(key: string): boolean {
  return promises.has(key);
}

/** Keys of Kata's runtime in Rust, which its runtime in Go does not read either. */
const rustOnly: ReadonlySet<string> = new Set([
  "name",
  "hypervisor_name",
  "agent_name",
  "keep_abnormal",
  "use_passfd_io",
  "passfd_listener_port",
  "server_port",
  "log_port",
  "dial_timeout_ms",
  "reconnect_timeout_ms",
  "prefetch_list_path",
]);

export function isOfRustRuntime(key: string): boolean {
  return rustOnly.has(key) || key.startsWith("mem_agent_") || key.startsWith("db_");
}
