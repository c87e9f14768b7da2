/** Renders QEMU's command line for a configuration, through all layers in between. */
import { type ConfigDocument, resolveConfig } from "../config/resolve.ts";
import { capabilitiesOf } from "../hypervisor/qemu/capabilities.ts";
import { qemuArguments } from "../hypervisor/qemu/command-line.ts";
import { kernelParameters } from "../hypervisor/qemu/kernel-parameters.ts";
import type { Accelerator } from "../hypervisor/qemu/machine.ts";
import { allDisks, hasScsi, planMachine } from "../hypervisor/qemu/plan-machine.ts";
import type { VmSpec } from "../hypervisor/spec.ts";
import { qemuOptions } from "./qemu-options.ts";
import { specOf, type VmRequest } from "./vm-spec.ts";

export const surroundings = { installRoot: "/opt/kumite", hostCpus: 4, hostMemoryMiB: 16_000 };
export const request: VmRequest = {
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

/** One option per line. */
export function linesOf(qemu: Readonly<Record<string, unknown>>, circumstances: Circumstances = {}): string[] {
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
    filesByDaemon: spec.sharedDirectories.length > 0,
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
