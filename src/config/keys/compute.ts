/** Keys of `[hypervisor.*]`: processors and memory. */
import { bool, count, exactMax, type KeyTable, list, text } from "../key.ts";

const hypervisor = (name: string) => `config.hypervisor.${name}`;

export const computeKeys = {
  default_vcpus: {
    kind: "number",
    default: 1,
    min: -0x7fff_ffff,
    max: 0x7fff_ffff,
    doc:
      "vCPUs of a VM in addition to those that its containers ask for. Fractions count " +
      "together with those of containers. 0 means 1; less, or more than the host has, means all of the host.",
    since: "1.0.0",
    annotation: hypervisor("default_vcpus"),
  },
  default_maxvcpus: count("Maximum number of vCPUs; 0: as many as the host has CPUs.", "1.0.0", {
    annotation: hypervisor("default_max_vcpus"),
  }),
  default_memory: count(
    "Memory of a VM in addition to what its containers ask for; less than 256 (before 3.x: 8) means 2048.",
    "1.0.0",
    { unit: "MiB", default: 2048, annotation: hypervisor("default_memory") },
  ),
  memory_slots: count(
    "How many times memory can be added; 0 means 10. If it is not set, the VM of a single container has 4 slots.",
    "1.3.0",
    {
      default: 10,
      annotation: hypervisor("memory_slots"),
    },
  ),
  default_maxmemory: count("Maximum memory; 0: as much as the host has.", "2.5.0", {
    unit: "MiB",
    max: exactMax,
  }),
  memory_offset: count("Address space for memory devices in addition to the maximum memory.", "1.5.0", {
    of: ["qemu"],
    unit: "MiB",
    max: exactMax,
    annotation: hypervisor("memory_offset"),
  }),
  enable_virtio_mem: bool("Memory is added and removed through virtio-mem.", "1.11.0", {
    of: ["qemu"],
    annotation: hypervisor("enable_virtio_mem"),
  }),
  enable_mem_prealloc: bool("All of the guest's memory is allocated at the start.", "1.0.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("enable_mem_prealloc"),
  }),
  enable_hugepages: bool("The guest's memory consists of huge pages, allocated at the start.", "1.0.0", {
    annotation: hypervisor("enable_hugepages"),
  }),
  enable_swap: bool("The host may swap out the guest's memory; otherwise it is locked.", "1.0.0", {
    until: "2.3.0",
    of: ["qemu", "firecracker"],
    annotation: hypervisor("enable_swap"),
    default: true,
  }),
  file_mem_backend: text("Directory for the file that is the guest's memory.", "1.8.0", {
    until: "3.31.0",
    of: ["qemu", "clh"],
    path: "absolute",
    annotation: hypervisor("file_mem_backend"),
    allowedBy: "valid_file_mem_backends",
  }),
  valid_file_mem_backends: list("Directories that the annotation for `file_mem_backend` may name.", "1.12.0", {
    until: "3.31.0",
    of: ["qemu", "clh"],
    items: "glob",
  }),
  reclaim_guest_freed_memory: bool("Memory that the guest frees is returned to the host.", "3.17.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("reclaim_guest_freed_memory"),
  }),
  enable_guest_swap: bool("The guest swaps to a file of the host when a container asks for swap.", "2.2.0", {
    of: ["qemu"],
    annotation: hypervisor("enable_guest_swap"),
  }),
  enable_numa: bool("The guest has the host's NUMA nodes.", "3.27.0", { of: ["qemu"] }),
  numa_mapping: list("Nodes of the host for each node of the guest, such as `0-1`.", "3.27.0", {
    of: ["qemu"],
    annotation: hypervisor("numa_mapping"),
  }),
} as const satisfies KeyTable;
