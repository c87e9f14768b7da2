/**
 * The complete QEMU command line for representative configurations. For single keys see `options-of-config.test.ts`.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VmSpec } from "../hypervisor/spec.ts";
import { linesOf } from "./machine-of-config.testing.ts";
import type { VmRequest } from "./vm-spec.ts";

/** Options of every VM. */
const confinement = [
  "-nodefaults",
  "-no-user-config",
  "-no-reboot",
  "-display none",
  "-name sandbox-box",
  "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
];
/** The monitor, the console and the agent's channel, if they are adjacent. */
const channels = [
  "-chardev socket,id=monitor,fd=3",
  "-mon chardev=monitor,mode=control",
  "-chardev socket,id=console,fd=5",
  "-chardev socket,id=agent,fd=4",
];
/** Root ports of a q35 that supports hotplug. */
const rootPorts = [
  "-device pcie-root-port,bus=pcie.0,id=rp0,chassis=1,slot=1,romfile=",
  "-device pcie-root-port,bus=pcie.0,id=rp1,chassis=2,slot=2,romfile=",
  "-device pcie-root-port,bus=pcie.0,id=rp2,chassis=3,slot=3,romfile=",
  "-device pcie-root-port,bus=pcie.0,id=rp3,chassis=4,slot=4,romfile=",
];

describe("QEMU's command line", () => {
  it("has a q35 with one vCPU and 2 GiB without any configuration", () => {
    assert.deepEqual(linesOf({}, { accelerator: "tcg" }), [
      ...confinement,
      "-machine q35,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,memory-backend=ram",
      "-accel tcg,thread=multi,tb-size=256",
      "-cpu max,erms=off,fsrm=off,la57=off",
      "-smp 1,cores=1,threads=1,sockets=4,maxcpus=4",
      "-m size=2048M,slots=10,maxmem=16000M",
      "-object memory-backend-memfd,id=ram,size=2048M,share=on",
      "-bios qboot.rom",
      "-kernel /opt/kumite/vmlinux",
      "-initrd /opt/kumite/initrd.img",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc_early_khz=2600000 noreplace-smp nolapic_timer no_timer_check initcall_blacklist=trace_eval_init,tracer_init_tracefs,ftrace_check_for_weak_functions,crypto_kdf108_init rodata=off init_on_alloc=1 lsm=landlock,yama nowatchdog nf_conntrack.hashsize=8192 lpj=26000000 iommu=off quiet panic=-1 nr_cpus=4",
      ...channels,
      "-chardev socket,id=fs0,fd=9",
      ...rootPorts,
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-device vhost-user-fs-pci,chardev=fs0,tag=kataShared,queue-size=1024,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,romfile=",
    ]);
  });

  it("follows a file from 2018: pc, an initrd, 9p", () => {
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
      ...confinement,
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
      ...channels,
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

  it("has an image as memory device, huge pages, an IOMMU, flash and a second monitor if a file says so", () => {
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
      ...confinement,
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

  it("has a microvm with its image on a disk if a file says so, under emulation too", () => {
    const qemu = {
      machine_type: "microvm",
      image: "/image",
      rootfs_type: "erofs",
      default_maxvcpus: 4,
      pcie_root_port: 3,
    };
    assert.deepEqual(linesOf(qemu, { accelerator: "tcg" }), [
      ...confinement,
      "-machine microvm,isa-serial=off,x-option-roms=off,usb=off,graphics=off,memory-backend=ram",
      "-accel tcg,thread=multi,tb-size=256",
      "-global virtio-mmio.force-legacy=off",
      "-cpu max,erms=off,fsrm=off,la57=off",
      "-smp 1",
      "-m size=2048M",
      "-object memory-backend-memfd,id=ram,size=2048M,share=on",
      "-bios qboot.rom",
      "-kernel /opt/kumite/vmlinux",
      "-append console=ttyS0 cryptomgr.notests swiotlb=noforce tsc_early_khz=2600000 noreplace-smp no_timer_check initcall_blacklist=trace_eval_init,tracer_init_tracefs,ftrace_check_for_weak_functions,crypto_kdf108_init rodata=off init_on_alloc=1 lsm=landlock,yama nowatchdog nf_conntrack.hashsize=8192 lpj=26000000 iommu=off root=/dev/vda1 ro rootfstype=erofs quiet panic=-1 nr_cpus=1 systemd.show_status=false net.ifnames=0 systemd.unit=kata-containers.target systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket",
      ...channels,
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

  it("has disks of every kind, each with its own settings, and a network interface on its tap", () => {
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
      ...confinement,
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
      ...channels,
      "-chardev socket,id=fs0,fd=13",
      "-object iothread,id=thread-b",
      "-object iothread,id=thread-scsi",
      "-blockdev driver=raw,node-name=image-a,read-only=on,file.driver=file,file.filename=/a.img,file.aio=threads",
      "-blockdev driver=raw,node-name=image-b,read-only=off,cache.direct=on,cache.no-flush=on,file.driver=host_device,file.filename=/dev/b,file.aio=native,file.cache.direct=on,file.cache.no-flush=on",
      "-blockdev driver=raw,node-name=image-c,read-only=off,file.driver=file,file.filename=/c.img,file.aio=io_uring",
      ...rootPorts,
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

  it("waits for the state of a saved VM, on that VM's memory, for a clone", () => {
    const restored: Partial<VmRequest> = {
      restoreFrom: "/state",
      memoryBacking: { kind: "file", path: "/memory", shared: false },
      sharedDirectories: [{ tag: "kataShared", path: "/shared", by: "9p" }],
    };
    assert.deepEqual(linesOf({ default_maxvcpus: 1 }, { accelerator: "tcg", request: restored }), [
      ...confinement,
      "-machine q35,usb=off,sata=off,smbus=off,i8042=off,vmport=off,graphics=off,memory-backend=ram",
      "-accel tcg,thread=multi,tb-size=256",
      "-cpu max,erms=off,fsrm=off,la57=off",
      "-smp 1",
      "-m size=2048M,slots=10,maxmem=16000M",
      "-object memory-backend-file,id=ram,size=2048M,mem-path=/proc/self/fd/6,share=off",
      "-bios qboot.rom",
      "-incoming defer",
      ...channels,
      ...rootPorts,
      "-device isa-serial,chardev=console",
      "-device virtio-serial-pci,id=serial,max_ports=2,romfile=",
      "-device virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "-fsdev local,id=share0,path=/shared,security_model=none,multidevs=remap",
      "-device virtio-9p-pci,fsdev=share0,mount_tag=kataShared,romfile=",
      "-object rng-random,id=rng0-source,filename=/dev/urandom",
      "-device virtio-rng-pci,id=rng0,rng=rng0-source,romfile=",
    ]);
  });
});
