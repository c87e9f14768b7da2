/** Keys of `[hypervisor.*]`: the programs and files that a VM is started with, and who may change them. */
import { bool, type KeyTable, list, text } from "../key.ts";

const hypervisor = (name: string) => `config.hypervisor.${name}`;

export const bootKeys = {
  path: text("The program of the virtual machine monitor.", "1.0.0", {
    path: "resolved",
    annotation: hypervisor("path"),
    allowedBy: "valid_hypervisor_paths",
    defaults: {
      qemu: "/usr/bin/qemu-system-x86_64",
      firecracker: "/usr/bin/firecracker",
      clh: "/usr/bin/cloud-hypervisor",
    },
  }),
  valid_hypervisor_paths: list("Programs that the annotation for `path` may name.", "1.12.0", { items: "glob" }),
  jailer_path: text("Firecracker's jailer; empty: none is used.", "1.9.0", {
    of: ["firecracker"],
    path: "resolved",
    annotation: hypervisor("jailer_path"),
    allowedBy: "valid_jailer_paths",
  }),
  valid_jailer_paths: list("Programs that the annotation for `jailer_path` may name.", "1.12.0", {
    of: ["firecracker"],
    items: "glob",
  }),
  ctlpath: text("ACRN's control tool.", "1.9.0", { until: "3.9.0", of: [], annotation: hypervisor("ctlpath") }),
  valid_ctlpaths: list("Programs that the annotation for `ctlpath` may name.", "1.12.0", {
    until: "3.9.0",
    of: [],
    items: "glob",
  }),
  kernel: text("The guest's kernel.", "1.0.0", {
    path: "resolved",
    annotation: hypervisor("kernel"),
    defaultText: "the kernel that Kumite was installed with",
  }),
  image: text("The guest's root file system as an image; excludes `initrd`.", "1.0.0", {
    path: "resolved",
    annotation: hypervisor("image"),
  }),
  initrd: text("The guest's initial RAM file system; excludes `image`.", "1.0.0", {
    path: "resolved",
    annotation: hypervisor("initrd"),
    defaultText: "the one that Kumite was installed with, unless `image` is set",
  }),
  rootfs_type: text("The file system of `image`.", "3.1.0", { default: "ext4", choices: ["ext4", "xfs", "erofs"] }),
  firmware: text("The firmware that loads the guest's kernel.", "1.0.0", {
    of: ["qemu", "clh"],
    path: "resolved",
    annotation: hypervisor("firmware"),
    defaultText: "the one that starts the guest fastest",
  }),
  firmware_volume: text("The firmware's variables, if they are in a separate file.", "2.4.0", {
    of: ["qemu"],
    path: "resolved",
    annotation: hypervisor("firmware_volume"),
  }),
  pflashes: list("Images for the board's flash memory (pflash).", "1.13.0-alpha0", { of: ["qemu"], items: "path" }),
  kernel_params: text(
    "Parameters for the guest's kernel, separated by spaces; they come last, so they override others.",
    "1.0.0",
    {
      annotation: hypervisor("kernel_params"),
    },
  ),
  kernel_verity_params: text(
    "How `image` is verified: root_hash=,salt=,data_blocks=,data_block_size=,hash_block_size=.",
    "3.27.0",
    { of: ["qemu", "clh"], annotation: hypervisor("kernel_verity_params") },
  ),
  machine_type: text("The board (QEMU machine type).", "1.0.0", {
    of: ["qemu"],
    default: "q35",
    choices: ["q35", "pc", "microvm", "virt", "pseries", "s390-ccw-virtio", "pc-lite"],
    annotation: hypervisor("machine_type"),
  }),
  machine_accelerators: text("Additional options of QEMU's -machine, separated by commas.", "1.0.0", {
    of: ["qemu"],
    annotation: hypervisor("machine_accelerators"),
  }),
  cpu_features: text("Additional features of the CPU model, separated by commas.", "1.12.0", {
    of: ["qemu"],
    annotation: hypervisor("cpu_features"),
  }),
  accelerator: text(
    "How the guest's code runs: `kvm`, `tcg` (emulated), or `auto`: KVM if a probe shows that it works, else emulated.",
    "ours",
    {
      of: ["qemu"],
      default: "auto",
      choices: ["auto", "kvm", "tcg"],
    },
  ),
  guest_hook_path: text("Directory in the guest with prestart, poststart and poststop hooks.", "1.4.0", {
    annotation: hypervisor("guest_hook_path"),
  }),
  enable_annotations: list(
    "Which annotations of a sandbox may change this table: regular expressions that must match the whole name below " +
      "`io.katacontainers.config.hypervisor.`.",
    "1.12.0",
    { items: "regex", default: ["enable_iommu", "kernel_params", "kernel_verity_params"] },
  ),
  guest_extension_images: {
    kind: "tables",
    columns: ["name", "path", "verity_params"],
    default: [],
    doc: "Additional read-only images for the guest: name, path, and how they are verified.",
    since: "4.0.0",
    of: ["qemu"],
  },
  seccompsandbox: text("The value of QEMU's option -sandbox.", "2.5.0", {
    of: ["qemu"],
    defaultText: "on, with everything denied that can be denied",
  }),
  rootless: bool(
    "true: a VM whose QEMU cannot run as an unprivileged user is not started. false: QEMU runs as root in that case only.",
    "2.3.0",
    { of: ["qemu", "clh"], annotation: hypervisor("rootless") },
  ),
  disable_seccomp: bool("The VMM's own seccomp filter is off.", "2.3.0", { of: ["clh"] }),
  disable_selinux: bool("The VMM gets no SELinux label.", "2.4.0"),
  disable_guest_selinux: bool("Containers in the guest get no SELinux label.", "3.1.0", { default: true }),
  enable_debug: bool("The guest's console goes to the log, and its kernel logs more.", "1.0.0"),
  hypervisor_loglevel: {
    kind: "integer",
    default: 1,
    min: 0,
    max: 0xffff_ffff,
    doc: "Cloud Hypervisor's log level: 1 to 3.",
    since: "3.14.0",
    of: ["clh"],
  },
} as const satisfies KeyTable;
