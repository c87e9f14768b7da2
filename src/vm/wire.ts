/**
 * A VM in the form in which the VM cache passes it on (`GrpcVM` of the older Kata architecture), and back. It is plain
 * data; the receiver reaches the VM through its shim.
 */
import { KumiteError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import type { Vm } from "./vm.ts";

/** Fields as on the wire, without those of a proxy. */
export interface WireVm {
  readonly id: string;
  /** The hypervisor's own state as JSON. */
  readonly hypervisor: string;
  readonly cpu: number;
  /** In MiB. */
  readonly memory: number;
  /** vCPUs that the guest has not been told about. */
  readonly cpuDelta: number;
}

/** The part of the hypervisor's state that the receiver needs, under the names on the wire. */
export interface WireHypervisor {
  readonly ID: string;
  /** Empty if the monitor is a descriptor of the shim. */
  readonly QmpChannelpath: string;
  readonly State: { readonly Pid: number; readonly HotpluggedVCPUs: readonly { readonly ID: string }[] };
  readonly NvdimmCount: number;
  readonly QemuSMP: { readonly CPUs: number; readonly MaxCPUs: number };
}

export interface ReceivedVm {
  readonly id: string;
  readonly hypervisor: WireHypervisor;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly vcpusToOnline: number;
}

/** @param monitor path of the socket that the VM's monitor listens on; default none */
export async function toWire(vm: Vm, monitor = ""): Promise<WireVm> {
  const { pid, vcpus, memoryMiB } = vm.status();
  const size = await vm.machine.plug?.size();
  const plugged = (size?.vcpus ?? vcpus) - vm.bootVcpus;
  const hypervisor: WireHypervisor = {
    ID: vm.id,
    QmpChannelpath: monitor,
    State: { Pid: pid, HotpluggedVCPUs: Array.from({ length: plugged }, (_, index) => ({ ID: `cpu-${index}` })) },
    NvdimmCount: 0,
    QemuSMP: { CPUs: vm.bootVcpus, MaxCPUs: size?.maxVcpus ?? vcpus },
  };
  return {
    id: vm.id,
    hypervisor: JSON.stringify(hypervisor),
    cpu: vcpus,
    memory: memoryMiB,
    cpuDelta: vm.vcpusToOnline,
  };
}

/** @throws KumiteError `protocol/violation` for a VM that cannot exist */
export function fromWire(wire: unknown): ReceivedVm {
  if (!isRecord(wire)) throw bad("it is not an object");
  const { id, hypervisor, cpu, memory, cpuDelta } = wire;
  if (typeof id !== "string" || typeof hypervisor !== "string") throw bad("it has no id or no hypervisor");
  const state = readHypervisor(hypervisor);
  if (id === "" || state.ID !== id) throw bad("the ids of VM and hypervisor differ");
  if (!isCount(cpu) || cpu < 1 || !isCount(memory) || memory < 1) throw bad(`it has ${cpu} vCPUs and ${memory} MiB`);
  if (!isCount(cpuDelta) || cpuDelta > cpu) throw bad(`of ${cpu} vCPUs ${cpuDelta} are new`);
  return { id, hypervisor: state, vcpus: cpu, memoryMiB: memory, vcpusToOnline: cpuDelta };
}

function readHypervisor(text: string): WireHypervisor {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw bad("its hypervisor is not JSON", cause);
  }
  if (!isRecord(value)) throw bad("its hypervisor is not an object");
  const { ID, QmpChannelpath, State, NvdimmCount, QemuSMP } = value;
  if (typeof ID !== "string" || typeof QmpChannelpath !== "string") throw bad("its hypervisor has no id or no monitor");
  if (!isRecord(State) || !isCount(State.Pid) || !Array.isArray(State.HotpluggedVCPUs)) {
    throw bad("its hypervisor has no state");
  }
  if (!isRecord(QemuSMP) || !isCount(QemuSMP.CPUs) || !isCount(QemuSMP.MaxCPUs))
    throw bad("its hypervisor has no vCPUs");
  const plugged = State.HotpluggedVCPUs.map((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.ID !== "string") throw bad("its hypervisor has a vCPU without an id");
    return { ID: entry.ID };
  });
  return {
    ID,
    QmpChannelpath,
    State: { Pid: State.Pid, HotpluggedVCPUs: plugged },
    NvdimmCount: isCount(NvdimmCount) ? NvdimmCount : 0,
    QemuSMP: { CPUs: QemuSMP.CPUs, MaxCPUs: QemuSMP.MaxCPUs },
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function bad(what: string, cause?: unknown): KumiteError {
  return new KumiteError("protocol/violation", `the VM cache sent an impossible VM: ${what}`, { cause });
}
