import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KernelParameterOptions, kernelParameters } from "./kernel-parameters.ts";

const emulated: KernelParameterOptions = {
  accelerator: "tcg",
  machineType: "q35",
  verbose: false,
  tscKhz: 2_600_000,
  maxVcpus: 8,
  iommu: false,
  scsi: false,
  filesByDaemon: false,
  image: undefined,
};
const virtual: KernelParameterOptions = { ...emulated, accelerator: "kvm", tscKhz: undefined };
const image = { path: "/image" };

describe("the kernel's parameters", () => {
  it("for an emulated guest with an initrd", () => {
    assert.deepEqual(kernelParameters(emulated), [
      "console=ttyS0",
      "cryptomgr.notests",
      "swiotlb=noforce",
      "tsc_early_khz=2600000",
      "noreplace-smp",
      "nolapic_timer",
      "no_timer_check",
      "initcall_blacklist=trace_eval_init,tracer_init_tracefs,ftrace_check_for_weak_functions,crypto_kdf108_init",
      "rodata=off",
      "init_on_alloc=0",
      "lsm=landlock,yama",
      "nowatchdog",
      "nf_conntrack.hashsize=8192",
      "lpj=26000000",
      "iommu=off",
      "quiet",
      "panic=-1",
      "nr_cpus=8",
    ]);
  });

  it("for a guest under KVM whose root is an image on a memory device, with verbose output", () => {
    const options = { ...virtual, verbose: true, iommu: true, scsi: true, image: { ...image, bus: "nvdimm" } } as const;
    assert.deepEqual(kernelParameters(options), [
      "console=ttyS0",
      "cryptomgr.notests",
      "swiotlb=noforce",
      "tsc=reliable",
      "no_timer_check",
      "rcupdate.rcu_expedited=1",
      "noreplace-smp",
      "intel_iommu=on",
      "iommu=pt",
      "root=/dev/pmem0p1",
      "rootflags=dax,data=ordered,errors=remount-ro",
      "ro",
      "rootfstype=ext4",
      "debug",
      "loglevel=7",
      "panic=-1",
      "nr_cpus=8",
      "systemd.show_status=true",
      "systemd.log_level=debug",
      "net.ifnames=0",
      "systemd.unit=kata-containers.target",
      "systemd.mask=systemd-networkd.service",
      "systemd.mask=systemd-networkd.socket",
      "scsi_mod.scan=none",
    ]);
  });

  it("name the root of an image on a disk, with flags that its file system knows", () => {
    const rootOf = (parameters: string[]) => parameters.filter((word) => word.startsWith("root"));
    assert.deepEqual(rootOf(kernelParameters({ ...virtual, image })), [
      "root=/dev/vda1",
      "rootflags=data=ordered,errors=remount-ro",
      "rootfstype=ext4",
    ]);
    assert.deepEqual(rootOf(kernelParameters({ ...virtual, image: { ...image, fileSystem: "erofs" } })), [
      "root=/dev/vda1",
      "rootfstype=erofs",
    ]);
  });

  it("make the kernel verify the root of an image, which is not mapped then", () => {
    const verity = { rootHash: "ab", salt: "", dataBlocks: 10, dataBlockBytes: 4096, hashBlockBytes: 1024 };
    const parameters = kernelParameters({ ...virtual, image: { ...image, bus: "nvdimm", verity } });
    const at = parameters.indexOf("root=/dev/dm-0");
    assert.deepEqual(parameters.slice(at - 1, at + 4), [
      'dm-mod.create="root,,,ro,0 80 verity 1 /dev/pmem0p1 /dev/pmem0p2 4096 1024 10 0 sha256 ab -"',
      "root=/dev/dm-0",
      "rootflags=data=ordered,errors=remount-ro",
      "ro",
      "rootfstype=ext4",
    ]);
    const onDisk = kernelParameters({ ...virtual, image: { ...image, verity: { ...verity, salt: "cd" } } });
    assert.ok(
      onDisk.join(" ").includes(' 80 verity 1 /dev/vda1 /dev/vda2 4096 1024 10 0 sha256 ab cd" root=/dev/dm-0 '),
    );
  });

  it("keep the only timer of a microvm, and always state the clock's frequency", () => {
    const parameters = kernelParameters({ ...emulated, machineType: "microvm" });
    assert.ok(!parameters.includes("nolapic_timer") && parameters.includes("tsc_early_khz=2600000"));
  });

  it("make an emulated kernel clear allocated pages where a daemon fills them", () => {
    assert.ok(kernelParameters({ ...emulated, filesByDaemon: true }).includes("init_on_alloc=1"));
  });

  it("contain the short cuts for emulation only under emulation", () => {
    const parameters = kernelParameters(virtual).join(" ");
    assert.doesNotMatch(
      parameters,
      /rodata|init_on_alloc|conntrack|initcall_blacklist|nolapic_timer|tsc_early_khz|lpj|mitigations/,
    );
  });
});
