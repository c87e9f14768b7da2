/** `linux.resources` of the OCI runtime specification as the protocol's message. Pure. */
import type { OciResources } from "../oci/spec.ts";
import type { LinuxBlockIO, LinuxResources } from "../protocol/gen/kata/oci.ts";
import type { MessageInit } from "../protocol/ttrpc/service.ts";
import { int64Of, uint64Of } from "./integers.ts";

type BlockIO = NonNullable<OciResources["blockIO"]>;

export function resourcesMessage(resources: OciResources): MessageInit<LinuxResources> {
  const { devices, memory, cpu, pids, blockIO, hugepageLimits, network } = resources;
  return {
    Devices: devices?.map(({ allow, type, major, minor, access }) => ({
      Allow: allow,
      Type: type,
      // If omitted, the rule covers every number, which the message expresses as -1.
      Major: int64Of(major ?? -1),
      Minor: int64Of(minor ?? -1),
      Access: access,
    })),
    Memory: memory && {
      Limit: int64Of(memory.limit),
      Reservation: int64Of(memory.reservation),
      Swap: int64Of(memory.swap),
      Kernel: int64Of(memory.kernel),
      KernelTCP: int64Of(memory.kernelTCP),
      Swappiness: uint64Of(memory.swappiness),
      DisableOOMKiller: memory.disableOOMKiller,
    },
    CPU: cpu && {
      Shares: uint64Of(cpu.shares),
      Quota: int64Of(cpu.quota),
      Period: uint64Of(cpu.period),
      RealtimeRuntime: int64Of(cpu.realtimeRuntime),
      RealtimePeriod: uint64Of(cpu.realtimePeriod),
      Cpus: cpu.cpus,
      Mems: cpu.mems,
    },
    Pids: pids && { Limit: int64Of(pids.limit) },
    BlockIO: blockIO && blockIoMessage(blockIO),
    HugepageLimits: hugepageLimits?.map(({ pageSize, limit }) => ({ Pagesize: pageSize, Limit: uint64Of(limit) })),
    Network: network && {
      ClassID: network.classID,
      Priorities: network.priorities?.map(({ name, priority }) => ({ Name: name, Priority: priority })),
    },
  };
}

function blockIoMessage(io: BlockIO): MessageInit<LinuxBlockIO> {
  const throttles = (devices: BlockIO["throttleReadBpsDevice"]) =>
    devices?.map(({ major, minor, rate }) => ({ Major: int64Of(major), Minor: int64Of(minor), Rate: uint64Of(rate) }));
  return {
    Weight: io.weight,
    LeafWeight: io.leafWeight,
    WeightDevice: io.weightDevice?.map(({ major, minor, weight, leafWeight }) => ({
      Major: int64Of(major),
      Minor: int64Of(minor),
      Weight: weight,
      LeafWeight: leafWeight,
    })),
    ThrottleReadBpsDevice: throttles(io.throttleReadBpsDevice),
    ThrottleWriteBpsDevice: throttles(io.throttleWriteBpsDevice),
    ThrottleReadIOPSDevice: throttles(io.throttleReadIOPSDevice),
    ThrottleWriteIOPSDevice: throttles(io.throttleWriteIOPSDevice),
  };
}
