/** `kumite check`: whether containers can run on this host. Leaves no changes behind. */
import { hypervisorConfigOf } from "../../config/config.ts";
import { checkCgroups } from "../check/cgroups.ts";
import { lookAtConfiguration } from "../check/configuration.ts";
import { type Finding, missing, note } from "../check/finding.ts";
import { checkKernel, checkMemory, checkMounts, checkStateDirectory, checkUser } from "../check/host.ts";
import { checkKvm } from "../check/kvm.ts";
import { checkGuest, checkImageTools, checkInstall, checkNode, checkQemu, checkVirtioFs } from "../check/programs.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

export async function check(context: VerbContext, { flags }: Invocation<"check">): Promise<number> {
  const findings = await look(context);
  const isMissing = findings.some(({ verdict }) => verdict === "missing");
  const isRestricted = findings.some(({ verdict }) => verdict === "note");
  const text = flags.json ? document(findings, !isMissing) : report(findings, flags.verbose);
  await context.output.out(text);
  return isMissing || (flags.strict && isRestricted) ? 1 : 0;
}

async function look(context: VerbContext): Promise<Finding[]> {
  const { os, root } = context;
  const { config, finding } = await lookAtConfiguration(context);
  const hypervisor = hypervisorConfigOf(config);
  const findings = [
    finding,
    await checkUser(os),
    await checkMounts(os),
    await checkKernel(os),
    await checkStateDirectory(os, root),
    await checkCgroups(os),
    await checkMemory(os, hypervisor.memoryMiB),
    await checkInstall(os),
    await checkNode(os),
    await checkImageTools(os),
  ];
  if (config.hypervisor === "process") {
    const remedy = 'set hypervisor = "qemu" in [runtime]: "process" is for tests only';
    return [...findings, note("isolation", 'hypervisor is "process": containers run on the host\'s kernel', remedy)];
  }
  if (config.hypervisor !== "qemu") {
    const remedy = 'set hypervisor = "qemu" in [runtime]';
    return [...findings, missing("hypervisor", `the hypervisor ${config.hypervisor} is not supported yet`, remedy)];
  }
  const machine = [await checkQemu(os, config), await checkGuest(os, config)];
  if (hypervisor.sharing.fileSystem === "virtio-fs") machine.push(await checkVirtioFs(os, config));
  // Without QEMU and a guest there is nothing to boot.
  if (machine.slice(0, 2).every(({ verdict }) => verdict !== "missing")) machine.push(await checkKvm(context, config));
  return [...findings, ...machine];
}

function document(findings: readonly Finding[], runs: boolean): string {
  return `${JSON.stringify({ runs, findings }, undefined, 2)}\n`;
}

function report(findings: readonly Finding[], verbose: boolean): string {
  const shown = findings.filter(({ verdict }) => verbose || verdict !== "ok");
  const lines = shown.flatMap(({ requirement, verdict, found, remedy }) => [
    `${verdict.padEnd(8)} ${requirement.padEnd(15)} ${found}`,
    ...(remedy === undefined ? [] : [`${"".padEnd(24)} try: ${remedy}`]),
  ]);
  return `${[...lines, conclusion(findings)].join("\n")}\n`;
}

function conclusion(findings: readonly Finding[]): string {
  const count = (verdict: Finding["verdict"]) => findings.filter((finding) => finding.verdict === verdict).length;
  const [absent, restricted] = [count("missing"), count("note")];
  if (absent > 0) return `containers cannot run here: ${absent} of ${findings.length} requirements are not met`;
  const restrictions = restricted === 1 ? "1 restriction" : `${restricted} restrictions`;
  return restricted === 0 ? "containers can run here" : `containers can run here, with ${restrictions}`;
}
