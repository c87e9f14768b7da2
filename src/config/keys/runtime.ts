/** Keys of `[runtime]`. */
import { bool, count, eras, type KeyTable, list, text } from "../key.ts";

const runtime = (name: string) => `config.runtime.${name}`;

export const hypervisorNames = ["qemu", "firecracker", "clh", "process"] as const;
const networkModels = ["default", "macvtap", "tcfilter", "none", "bridged", "enlightened"] as const;

export const runtimeKeys = {
  hypervisor: text("The driver; `process` runs the agent without a VM, for tests only.", "ours", {
    default: "",
    choices: ["", ...hypervisorNames],
    defaultText: "that of the file's hypervisor table, else qemu",
  }),
  config_era: text(
    "Which releases' rules apply where they differ: limits, and which keys exclude each other.",
    "ours",
    {
      default: "3.x",
      choices: eras,
    },
  ),
  rootfs_writes: text(
    "Whether a container's writes to its root file system must be visible on the host (`host`), or may stay in the guest (`guest`).",
    "ours",
    { default: "host", choices: ["host", "guest"] },
  ),
  rootfs_block_devices: text(
    "Which mounted block devices are attached to the VM as root file systems, instead of sharing their files.",
    "ours",
    { default: "device-mapper", choices: ["device-mapper", "any"] },
  ),
  rootfs_image_directory: text("Directory for images of root file systems.", "ours", {
    default: "/var/cache/kumite/rootfs",
    path: "made",
  }),
  rootfs_image_limit: count("Maximum size of all images; above it the least recently used ones are removed.", "ours", {
    unit: "MiB",
    default: 10240,
  }),
  rootfs_upper_directory: text("Directory for the writable layers of running containers.", "ours", {
    default: "/var/lib/kumite/uppers",
    path: "made",
  }),
  rootfs_upper_size: count("Size of such a layer; at most 65536.", "ours", {
    unit: "MiB",
    default: 16384,
    max: 65536,
  }),
  valid_config_paths: list("Files that the annotation `io.katacontainers.config_path` may name.", "ours", {
    items: "glob",
  }),
  enable_debug: bool("Log debug messages.", "1.0.0"),
  internetworking_model: text("How a VM is connected to its network.", "1.0.0", {
    default: "tcfilter",
    choices: networkModels,
    fault: "Unknown type",
    annotation: runtime("internetworking_model"),
  }),
  disable_guest_seccomp: bool("The seccomp profiles of containers are not applied.", "1.5.0", {
    annotation: runtime("disable_guest_seccomp"),
  }),
  enable_tracing: bool("The runtime traces its calls.", "1.3.0"),
  jaeger_endpoint: text("Where traces go.", "2.1.0", { defaultText: "http://localhost:14268/api/traces" }),
  jaeger_user: text("The user name for `jaeger_endpoint`.", "2.1.0"),
  jaeger_password: text("The password for `jaeger_endpoint`.", "2.1.0"),
  disable_new_netns: bool("The VM is in the host's network namespace.", "1.4.0", {
    annotation: runtime("disable_new_netns"),
  }),
  sandbox_cgroup_only: bool("All processes of a sandbox are in one cgroup of the host.", "1.9.0", {
    annotation: runtime("sandbox_cgroup_only"),
  }),
  enable_agent_pidns: bool("Containers may ask for the agent's pid namespace.", "1.12.0", { until: "1.13.0-alpha0" }),
  experimental: list("Experimental features; there are none.", "1.7.0", { annotation: runtime("experimental") }),
  static_sandbox_resource_mgmt: bool("The size of a VM is fixed at its start; nothing is plugged in later.", "2.4.0"),
  enable_vcpus_pinning: bool("Each vCPU is pinned to a CPU of the host.", "3.1.0", {
    annotation: "enable_vcpus_pinning",
  }),
  sandbox_bind_mounts: list(
    "Directories and files of the host that every sandbox gets, read-only unless followed by `:rw`.",
    "2.1.0",
  ),
  vfio_mode: text("Who drives devices of the host: the guest's kernel, or programs in containers.", "2.3.0", {
    default: "guest-kernel",
    choices: ["guest-kernel", "vfio"],
    annotation: runtime("vfio_mode"),
  }),
  disable_guest_empty_dir: bool(
    "Kubernetes' emptyDir volumes on disk are shared from the host; otherwise they are in the root file system of the pod's first container. With an older `config_era` the default is false.",
    "2.4.0",
    { default: true },
  ),
  emptydir_mode: text("What an emptyDir volume on the host is.", "3.28.0", {
    default: "shared-fs",
    choices: ["shared-fs", "block-plain", "block-encrypted"],
  }),
  guest_selinux_label: text("The SELinux label of containers.", "3.1.0", {
    annotation: runtime("guest_selinux_label"),
  }),
  enable_pprof: bool("The runtime can be profiled.", "2.0.0", { annotation: runtime("enable_pprof") }),
  create_container_timeout: count(
    "How long the agent may take to create a container; 0 means 60. The verbs wait 5 minutes for a whole create.",
    "3.4.0",
    {
      unit: "seconds",
      default: 60,
      max: 86_400,
      annotation: runtime("create_container_timeout"),
    },
  ),
  dan_conf: text("Directory that describes directly attached networks.", "3.7.0", {
    default: "/run/kata-containers/dans",
    path: "absolute",
  }),
  experimental_force_guest_pull: bool("The guest fetches images itself.", "3.18.0", {
    annotation: runtime("experimental_force_guest_pull"),
  }),
  kubelet_root_dir: text("The kubelet's directory.", "3.28.0", { default: "/var/lib/kubelet", path: "absolute" }),
  pod_resource_api_sock: text("The kubelet's socket for devices.", "3.24.0", { path: "absolute" }),
} as const satisfies KeyTable;
