/** Golden: the command line of QEMU for representative configurations, through everything between the two. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConfigDocument, resolveConfig } from "../config/resolve.ts";
import { capabilitiesOf } from "../hypervisor/qemu/capabilities.ts";
import { qemuArguments } from "../hypervisor/qemu/command-line.ts";
import { kernelParameters } from "../hypervisor/qemu/kernel-parameters.ts";
import type { Accelerator } from "../hypervisor/qemu/machine.ts";
import { allDisks, hasScsi, planMachine } from "../hypervisor/qemu/plan-machine.ts";
import type { VmSpec } from "../hypervisor/spec.ts";
import { isKumiteError } from "../util/errors.ts";
import { qemuOptions } from "./qemu-options.ts";
import { specOf, type VmRequest } from "./vm-spec.ts";

const surroundings = { installRoot: "/opt/kumite", hostCpus: 4, hostMemoryMiB: 16_000 };
const request: VmRequest = {
  id: "box",
  directory: "/run/box",
  cgroups: [],
  sharedDirectories: [{ tag: "kataShared", path: "/shared" }],
};

interface Circumstances {
  readonly accelerator?: Accelerator;
  readonly nested?: boolean;
  readonly request?: Partial<VmRequest>;
  readonly spec?: Partial<VmSpec>;
}

/** One option a line. */
function linesOf(qemu: Readonly<Record<string, unknown>>, circumstances: Circumstances = {}): string[] {
  const { accelerator = "kvm", nested = false } = circumstances;
  const document: ConfigDocument = { "hypervisor.qemu": qemu };
  const config = resolveConfig(document, surroundings);
  const options = qemuOptions(config);
  const machineType = options.machineType ?? "q35";
  const asked = { ...request, ...circumstances.request };
  const spec: VmSpec = { ...specOf(config, asked, capabilitiesOf(machineType)), ...circumstances.spec };
  const { kernel, initrd, image } = spec.guest;
  const own = kernelParameters({
    accelerator,
    machineType,
    verbose: options.debug === true,
    tscKhz: accelerator === "tcg" ? 2_600_000 : undefined,
    maxVcpus: spec.maxVcpus ?? spec.vcpus,
    iommu: spec.iommu === true,
    scsi: hasScsi(spec),
    image,
  });
  const boot = {
    kind: "kernel",
    kernel,
    ...(initrd === undefined ? {} : { initrd }),
    parameters: [...own, ...spec.kernelParameters],
  } as const;
  const machine = planMachine(spec, options, {
    accelerator,
    nested,
    boot: spec.restoreFrom === undefined ? boot : { kind: "incoming" },
    memoryIsDirectory: spec.memoryBacking?.kind === "file" && spec.restoreFrom === undefined,
    files: new Map(allDisks(spec).map(({ path }) => [path, { isDevice: path.startsWith("/dev/"), sizeBytes: 4096 }])),
  });
  const lines: string[] = [];
  for (const word of qemuArguments(machine)) {
    if (word.startsWith("-")) lines.push(word);
    else lines.push(`${lines.pop() ?? ""} ${word}`);
  }
  return lines;
}

describe("QEMU's command line", () => {
  it("without any configuration", () => {
    assert.deepEqual(linesOf({}, { accelerator: "tcg" }), [
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display none",
      "-name sandbox-box",
      "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine q35,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,memory-backend=ram",
      "-accel tcg,thread=multi,tb-size=256",
      "-cpu max,erms=off,fsrm=off,la57=off",
      "-smp 1,cores=1,threads=1,sockets=4,maxcpus=4",
      "-m size=2048M,slots=10,maxmem=16000M",
      "-object memory-backend-memfd,id=ram,size=2048M,share=on",
      "-bios qboot.rom",
      "-kernel /opt/kumite/vmlinux",
      "-initrd /opt/kumite/initrd.img",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc_early_khz=2600000 noreplace-smp nolapic_timer no_timer_check initcall_blacklist=trace_eval_init,tracer_init_tracefs,ftrace_check_for_weak_functions,crypto_kdf108_init rodata=off init_on_alloc=0 nf_conntrack.hashsize=8192 lpj=26000000 iommu=off quiet panic=-1 nr_cpus=4",
      "-chardev socket,id=monitor,fd=3",
      "-mon chardev=monitor,mode=control",
      "-chardev socket,id=console,fd=5",
      "-chardev socket,id=agent,fd=4",
      "-chardev socket,id=fs0,fd=9",
      "-device pcie-root-port,bus=pcie.0,id=rp0,chassis=1,slot=1,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp1,chassis=2,slot=2,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp2,chassis=3,slot=3,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp3,chassis=4,slot=4,romfile=",
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-device vhost-user-fs-pci,chardev=fs0,tag=kataShared,queue-size=1024,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,romfile=",
    ]);
  });
  it("of a host where only approved cryptography may be used", () => {
    const config = resolveConfig({ "hypervisor.qemu": { kernel_params: "a=b" } }, { ...surroundings, fips: true });
    assert.deepEqual(specOf(config, request, capabilitiesOf("q35")).kernelParameters, ["fips=1", "a=b"]);
  });

  it("with disks as the configuration wants them, where the disk itself says nothing", () => {
    const disks = [
      { id: "volume", path: "/dev/volume", bus: "virtio-blk", readOnly: false },
      { id: "upper", path: "/upper", bus: "virtio-blk", readOnly: false, cache: { direct: false, noFlush: true } },
    ] as const;
    const keys = {
      block_device_cache_set: true,
      block_device_cache_direct: true,
      block_device_aio: "native",
      block_device_logical_sector_size: 4096,
      block_device_physical_sector_size: 8192,
      enable_iothreads: true,
    };
    const ofDisks = (lines: string[]) =>
      lines.filter((line) => /^-(blockdev|device virtio-blk|object iothread)/.test(line));
    const sizes = "logical_block_size=4096,physical_block_size=8192";
    assert.deepEqual(ofDisks(linesOf(keys, { request: { disks } })), [
      "-object iothread,id=thread-volume",
      "-object iothread,id=thread-upper",
      "-blockdev driver=raw,node-name=image-volume,read-only=off,cache.direct=on,file.driver=host_device,file.filename=/dev/volume,file.aio=native,file.cache.direct=on",
      "-blockdev driver=raw,node-name=image-upper,read-only=off,cache.no-flush=on,file.driver=file,file.filename=/upper,file.aio=threads,file.cache.no-flush=on",
      `-device virtio-blk-pci,id=disk-volume,drive=image-volume,share-rw=on,${sizes},iothread=thread-volume,romfile=`,
      `-device virtio-blk-pci,id=disk-upper,drive=image-upper,share-rw=on,${sizes},iothread=thread-upper,romfile=`,
    ]);
    const [, image] = ofDisks(linesOf({ block_device_aio: "io_uring" }, { request: { disks } }));
    assert.match(image ?? "", /file.aio=io_uring/);
  });

  it("has places for what comes later where that may be, or the configuration asks for them", () => {
    const places = (qemu: object, takesDevices: boolean) =>
      linesOf({ ...qemu }, { request: { takesDevices } }).filter((line) => /root-port|pci-bridge/.test(line)).length;
    assert.deepEqual([places({}, true), places({}, false)], [4, 0]);
    assert.equal(places({ enable_virtio_mem: true }, false), 4);
    assert.equal(places({ enable_guest_swap: true }, false), 4);
    assert.deepEqual([places({ pcie_root_port: 2 }, true), places({ pcie_root_port: 2 }, false)], [3, 3]);
  });

  it("has devices with little state where it is saved, unless the drivers of its kernel are not known", () => {
    const dialect = (qemu: object, smallState: boolean) =>
      linesOf({ ...qemu }, { request: { smallState } }).filter((line) => line.includes("disable-modern=on")).length;
    assert.deepEqual([dialect({}, false), dialect({}, true), dialect({ kernel: "/their/vmlinux" }, true)], [0, 2, 0]);
    assert.equal(dialect({ enable_iommu: true, enable_iommu_platform: true }, true), 0);
  });

  it("has places for memory as the configuration says, and few where it says nothing and nobody joins the machine", () => {
    const slots = (qemu: object, takesDevices: boolean) =>
      /slots=(\d+)/.exec(linesOf({ ...qemu }, { request: { takesDevices } }).join(" "))?.[1];
    assert.deepEqual([slots({}, true), slots({}, false)], ["10", "4"]);
    assert.deepEqual([slots({ memory_slots: 0 }, false), slots({ memory_slots: 7 }, false)], ["10", "7"]);
    assert.deepEqual([slots({ enable_virtio_mem: true }, true), slots({ enable_virtio_mem: true }, false)], ["1", "1"]);
    assert.equal(slots({ enable_virtio_mem: true, memory_slots: 3 }, true), "3");
  });

  it("of a file from 2018: pc, an initrd, 9p", () => {
    const qemu = {
      machine_type: "pc",
      machine_accelerators: "dump-guest-core=off, mem-merge=off",
      default_vcpus: 2,
      default_memory: 2048,
      default_bridges: 9,
      memory_slots: 10,
      kernel_params: "agent.log=info foo",
      disable_nesting_checks: false,
      entropy_source: "/dev/urandom",
      enable_swap: false,
    };
    const shared = { sharedDirectories: [{ tag: "kataShared", path: "/a,b", by: "9p" }] } as const;
    assert.deepEqual(linesOf(qemu, { nested: true, request: shared }), [
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display none",
      "-name sandbox-box",
      "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine pc,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,dump-guest-core=off,mem-merge=off",
      "-accel kvm",
      "-rtc base=utc,driftfix=slew,clock=host",
      "-global kvm-pit.lost_tick_policy=discard",
      "-cpu host",
      "-smp 2,cores=1,threads=1,sockets=4,maxcpus=4",
      "-m size=2048M,slots=10,maxmem=16000M",
      "-overcommit mem-lock=on",
      "-bios bios-256k.bin",
      "-kernel /opt/kumite/vmlinux",
      "-initrd /opt/kumite/initrd.img",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc=reliable no_timer_check rcupdate.rcu_expedited=1 noreplace-smp iommu=off quiet panic=-1 nr_cpus=4 agent.log=info foo",
      "-chardev socket,id=monitor,fd=3",
      "-mon chardev=monitor,mode=control",
      "-chardev socket,id=console,fd=5",
      "-chardev socket,id=agent,fd=4",
      "-device pci-bridge,bus=pci.0,id=pci-bridge-0,chassis_nr=1,shpc=on,addr=2,romfile=",
      "-device pci-bridge,bus=pci.0,id=pci-bridge-1,chassis_nr=2,shpc=on,addr=3,romfile=",
      "-device pci-bridge,bus=pci.0,id=pci-bridge-2,chassis_nr=3,shpc=on,addr=4,romfile=",
      "-device pci-bridge,bus=pci.0,id=pci-bridge-3,chassis_nr=4,shpc=on,addr=5,romfile=",
      "-device pci-bridge,bus=pci.0,id=pci-bridge-4,chassis_nr=5,shpc=on,addr=6,romfile=",
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,disable-modern=on,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-fsdev local,id=share0,path=/a,,b,security_model=none,multidevs=remap",
      "-device virtio-9p-pci,fsdev=share0,mount_tag=kataShared,disable-modern=on,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,disable-modern=on,romfile=",
    ]);
  });
  it("of a q35 with an image on a memory device, huge pages, an IOMMU, flash, and a monitor for a person", () => {
    const qemu = {
      image: "/image",
      default_memory: 1024,
      default_maxmemory: 4096,
      enable_hugepages: true,
      enable_iommu: true,
      enable_iommu_platform: true,
      pcie_root_port: 2,
      pflashes: ["/code", "/variables"],
      cpu_features: "pmu=off,vmx=off",
      reclaim_guest_freed_memory: true,
      guest_memory_dump_path: "/dumps",
      enable_debug: true,
      extra_monitor_socket: "qmp-pretty",
      virtio_fs_queue_size: 512,
    };
    assert.deepEqual(linesOf(qemu), [
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display none",
      "-name sandbox-box",
      "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine q35,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,kernel-irqchip=split,nvdimm=on,memory-backend=ram,pflash0=flash0,pflash1=flash1",
      "-accel kvm",
      "-rtc base=utc,driftfix=slew,clock=host",
      "-global kvm-pit.lost_tick_policy=discard",
      "-cpu host,pmu=off,vmx=off",
      "-smp 1,cores=1,threads=1,sockets=4,maxcpus=4",
      "-m size=1024M,slots=11,maxmem=4097M",
      "-object memory-backend-memfd,id=ram,size=1024M,hugetlb=on,share=on,prealloc=on",
      "-blockdev driver=raw,node-name=flash0,read-only=on,file.driver=file,file.filename=/code",
      "-blockdev driver=raw,node-name=flash1,read-only=on,file.driver=file,file.filename=/variables",
      "-kernel /opt/kumite/vmlinux",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc=reliable no_timer_check rcupdate.rcu_expedited=1 noreplace-smp intel_iommu=on iommu=pt root=/dev/pmem0p1 rootflags=dax,data=ordered,errors=remount-ro ro rootfstype=ext4 debug loglevel=7 panic=-1 nr_cpus=4 systemd.show_status=true systemd.log_level=debug net.ifnames=0 systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket",
      "-action panic=pause",
      "-chardev socket,id=monitor,fd=3",
      "-mon chardev=monitor,mode=control",
      "-chardev socket,id=extra-monitor,fd=8,server=on,wait=off",
      "-mon chardev=extra-monitor,mode=control,pretty=on",
      "-chardev socket,id=console,fd=5",
      "-chardev socket,id=agent,fd=4",
      "-chardev socket,id=fs0,fd=9",
      "-device intel-iommu,intremap=on,device-iotlb=on,caching-mode=on",
      "-device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=on,addr=2,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp0,chassis=2,slot=2,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp1,chassis=3,slot=3,romfile=",
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,disable-legacy=on,iommu_platform=on,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-object memory-backend-file,id=nvdimm-image-file,mem-path=/image,size=4096,share=off,readonly=on",
      "-device nvdimm,id=nvdimm-image,memdev=nvdimm-image-file,unarmed=on",
      "-device vhost-user-fs-pci,chardev=fs0,tag=kataShared,queue-size=512,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,disable-legacy=on,iommu_platform=on,romfile=",
      "-device pvpanic",
      "-device virtio-balloon-pci,id=balloon0,free-page-reporting=on,deflate-on-oom=on,romfile=",
    ]);
  });
  it("of a microvm with an image on a disk, under emulation", () => {
    const qemu = {
      machine_type: "microvm",
      image: "/image",
      rootfs_type: "erofs",
      default_maxvcpus: 4,
      pcie_root_port: 3,
    };
    assert.deepEqual(linesOf(qemu, { accelerator: "tcg" }), [
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display none",
      "-name sandbox-box",
      "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine microvm,isa-serial=off,x-option-roms=off,usb=off,graphics=off,memory-backend=ram",
      "-accel tcg,thread=multi,tb-size=256",
      "-global virtio-mmio.force-legacy=off",
      "-cpu max,erms=off,fsrm=off,la57=off",
      "-smp 1",
      "-m size=2048M",
      "-object memory-backend-memfd,id=ram,size=2048M,share=on",
      "-bios qboot.rom",
      "-kernel /opt/kumite/vmlinux",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc_early_khz=2600000 noreplace-smp no_timer_check initcall_blacklist=trace_eval_init,tracer_init_tracefs,ftrace_check_for_weak_functions,crypto_kdf108_init rodata=off init_on_alloc=0 nf_conntrack.hashsize=8192 lpj=26000000 iommu=off root=/dev/vda1 ro rootfstype=erofs quiet panic=-1 nr_cpus=1 systemd.show_status=false net.ifnames=0 systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket",
      "-chardev socket,id=monitor,fd=3",
      "-mon chardev=monitor,mode=control",
      "-chardev socket,id=console,fd=5",
      "-chardev socket,id=agent,fd=4",
      "-chardev socket,id=fs0,fd=9",
      "-blockdev driver=raw,node-name=image-image,read-only=on,file.driver=file,file.filename=/image,file.aio=threads",
      "-device isa-serial,chardev=console",
      "-device virtio-serial-device,id=serial,max_ports=2",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-device virtio-blk-device,id=disk-image,drive=image-image,share-rw=on",
      "-device vhost-user-fs-device,chardev=fs0,tag=kataShared,queue-size=1024",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-device,id=rng0,rng=rng0-source",
    ]);
  });
  it("of a machine with disks of every kind", () => {
    const spec: Partial<VmSpec> = {
      disks: [
        { id: "a", path: "/a.img", bus: "virtio-blk", readOnly: true, serial: "a" },
        {
          id: "b",
          path: "/dev/b",
          bus: "virtio-blk",
          readOnly: false,
          cache: { direct: true, noFlush: true },
          aio: "native",
          ownThread: true,
          logicalSectorBytes: 4096,
          physicalSectorBytes: 4096,
        },
        { id: "c", path: "/c.img", bus: "virtio-scsi", readOnly: false, aio: "io_uring", ownThread: true },
        { id: "d", path: "/d.img", bus: "nvdimm", readOnly: false },
      ],
      networks: [{ id: "n", macAddress: "02:00:00:00:00:01", tapFds: [20, 21], vhostFds: [22, 23] }],
    };
    assert.deepEqual(linesOf({ enable_mem_prealloc: true }, { spec }), [
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display none",
      "-name sandbox-box",
      "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine q35,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,nvdimm=on,memory-backend=ram",
      "-accel kvm",
      "-rtc base=utc,driftfix=slew,clock=host",
      "-global kvm-pit.lost_tick_policy=discard",
      "-cpu host",
      "-smp 1,cores=1,threads=1,sockets=4,maxcpus=4",
      "-m size=2048M,slots=11,maxmem=16001M",
      "-object memory-backend-memfd,id=ram,size=2048M,share=on,prealloc=on",
      "-bios qboot.rom",
      "-kernel /opt/kumite/vmlinux",
      "-initrd /opt/kumite/initrd.img",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc=reliable no_timer_check rcupdate.rcu_expedited=1 noreplace-smp iommu=off quiet panic=-1 nr_cpus=4 scsi_mod.scan=none",
      "-chardev socket,id=monitor,fd=3",
      "-mon chardev=monitor,mode=control",
      "-chardev socket,id=console,fd=5",
      "-chardev socket,id=agent,fd=4",
      "-chardev socket,id=fs0,fd=13",
      "-object iothread,id=thread-b",
      "-object iothread,id=thread-scsi",
      "-blockdev driver=raw,node-name=image-a,read-only=on,file.driver=file,file.filename=/a.img,file.aio=threads",
      "-blockdev driver=raw,node-name=image-b,read-only=off,cache.direct=on,cache.no-flush=on,file.driver=host_device,file.filename=/dev/b,file.aio=native,file.cache.direct=on,file.cache.no-flush=on",
      "-blockdev driver=raw,node-name=image-c,read-only=off,file.driver=file,file.filename=/c.img,file.aio=io_uring",
      "-device pcie-root-port,bus=pcie.0,id=rp0,chassis=1,slot=1,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp1,chassis=2,slot=2,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp2,chassis=3,slot=3,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp3,chassis=4,slot=4,romfile=",
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-device virtio-scsi-pci,id=scsi0,iothread=thread-scsi,romfile=",
      "-device virtio-blk-pci,id=disk-a,drive=image-a,share-rw=on,serial=a,romfile=",
      "-device virtio-blk-pci,id=disk-b,drive=image-b,share-rw=on,logical_block_size=4096,physical_block_size=4096,iothread=thread-b,romfile=",
      "-device scsi-hd,id=disk-c,bus=scsi0.0,scsi-id=0,lun=0,drive=image-c,share-rw=on",
      "-object memory-backend-file,id=nvdimm-d-file,mem-path=/d.img,size=4096,share=on,readonly=off",
      "-device nvdimm,id=nvdimm-d,memdev=nvdimm-d-file",
      "-device vhost-user-fs-pci,chardev=fs0,tag=kataShared,queue-size=1024,romfile=",
      "-netdev tap,id=n,fds=9:10,vhost=on,vhostfds=11:12",
      "-device virtio-net-pci,netdev=n,mac=02:00:00:00:00:01,mq=on,vectors=6,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,romfile=",
    ]);
  });
  it("of a machine that goes on from the state of another", () => {
    const restored: Partial<VmRequest> = {
      restoreFrom: "/state",
      memoryBacking: { kind: "file", path: "/memory", shared: false },
      sharedDirectories: [{ tag: "kataShared", path: "/shared", by: "9p" }],
    };
    assert.deepEqual(linesOf({ default_maxvcpus: 1 }, { accelerator: "tcg", request: restored }), [
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display none",
      "-name sandbox-box",
      "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-machine q35,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,memory-backend=ram",
      "-accel tcg,thread=multi,tb-size=256",
      "-cpu max,erms=off,fsrm=off,la57=off",
      "-smp 1",
      "-m size=2048M,slots=10,maxmem=16000M",
      "-object memory-backend-file,id=ram,size=2048M,mem-path=/proc/self/fd/6,share=off",
      "-bios qboot.rom",
      "-incoming defer",
      "-chardev socket,id=monitor,fd=3",
      "-mon chardev=monitor,mode=control",
      "-chardev socket,id=console,fd=5",
      "-chardev socket,id=agent,fd=4",
      "-device pcie-root-port,bus=pcie.0,id=rp0,chassis=1,slot=1,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp1,chassis=2,slot=2,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp2,chassis=3,slot=3,romfile=",
      "-device pcie-root-port,bus=pcie.0,id=rp3,chassis=4,slot=4,romfile=",
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-fsdev local,id=share0,path=/shared,security_model=none,multidevs=remap",
      "-device virtio-9p-pci,fsdev=share0,mount_tag=kataShared,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,romfile=",
    ]);
  });

  it("is not made for a board that is not there, and the error says which there are", () => {
    assert.throws(
      () => linesOf({ machine_type: "pseries" }),
      (error) => isKumiteError(error, "hypervisor/unsupported") && (error.hint ?? "").includes("q35, pc, microvm"),
    );
  });
});
