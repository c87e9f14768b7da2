/** `kumite env`: what this runtime consists of and runs on. Changes nothing; shows what it cannot find as unknown. */
import { type Config, hypervisorConfigOf } from "../../config/config.ts";
import { ociVersion } from "../../oci/state.ts";
import { readInstall } from "../../shim-client/install.ts";
import type { Os } from "../../sys/os.ts";
import { isKumiteError } from "../../util/errors.ts";
import { kvmVerdict } from "../../vm/judge-kvm.ts";
import { type ConfigurationLook, lookAtConfiguration } from "../check/configuration.ts";
import { programOutput } from "../check/program-output.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

const formatVersion = "1.0.0";
const unknown = "<<unknown>>";
/** No program is started from that path. */
const builtIn = { InUse: false };

export async function env(context: VerbContext, { flags }: Invocation<"env">): Promise<number> {
  const facts = await collect(context);
  if (flags.json) {
    await context.output.out(`${JSON.stringify(facts, undefined, 2)}\n`);
  } else {
    const { stringify } = await import("smol-toml");
    await context.output.out(`${stringify(facts).trimEnd()}\n`);
  }
  return 0;
}

type Facts = Record<string, Record<string, unknown>>;

async function collect(context: VerbContext): Promise<Facts> {
  const { os, root } = context;
  const look = await lookAtConfiguration(context);
  const { config } = look;
  const hypervisor = hypervisorConfigOf(config);
  const install = await readInstall(os).catch((error: unknown) => {
    if (isKumiteError(error, "install/incomplete")) return undefined;
    throw error;
  });
  const ours = install !== undefined && hypervisor.kernel === `${install.root}/vmlinux`;
  const { runtime, agent, shim, proxy, netmon, shimTable, proxyTable, agentTable } = look.loaded.effective;
  return {
    Meta: { Version: formatVersion },
    Runtime: {
      Path: os.self.executable,
      Debug: config.debug,
      Trace: runtime.enable_tracing,
      DisableGuestSeccomp: !config.guestSeccomp,
      DisableNewNetNs: runtime.disable_new_netns,
      SandboxCgroupOnly: runtime.sandbox_cgroup_only,
      Experimental: [...runtime.experimental],
      StateDirectory: root,
      Node: install?.node ?? unknown,
      Version: { Semver: install?.version ?? unknown, Commit: install?.commit ?? unknown, OCI: ociVersion },
      Config: configurationFacts(look),
    },
    Hypervisor: await hypervisorFacts(context, config),
    Kernel: {
      Path: hypervisor.kernel,
      Version: ours ? install.kernelVersion || unknown : unknown,
      Kind: ours ? install.kernel || unknown : "configured",
      Parameters: hypervisor.kernelParameters.join(" "),
    },
    Initrd: { Path: hypervisor.initrd ?? "" },
    Image: { Path: hypervisor.image ?? "" },
    // These belong to Kata's older architecture; the values are what Kata shows. Kumite's own programs do their work.
    Proxy: { Type: proxyTable.slice("proxy.".length), Path: proxy.path, Debug: proxy.enable_debug, ...builtIn },
    Shim: { Type: shimTable.slice("shim.".length), Path: shim.path, Debug: shim.enable_debug, ...builtIn },
    Netmon: { Path: netmon.path, Enable: netmon.enable_netmon, Debug: netmon.enable_debug, ...builtIn },
    Agent: {
      Type: agentTable.slice("agent.".length),
      Path: config.agent.path,
      Debug: config.agent.debug,
      Trace: agent.enable_tracing,
      TraceMode: agent.trace_mode,
      TraceType: agent.trace_type,
    },
    Host: await hostFacts(os),
  };
}

/** Where the configuration comes from. `kumite config show --origin` shows the same for each value. */
function configurationFacts({ loaded, finding }: ConfigurationLook): Record<string, unknown> {
  return {
    Path: loaded.file ?? "",
    Origin: loaded.file === undefined ? "built-in" : "file",
    Era: loaded.effective.era,
    Valid: finding.verdict !== "missing",
    ...(finding.verdict === "missing" && { Problem: finding.found }),
  };
}

async function hypervisorFacts(context: VerbContext, config: Config): Promise<Record<string, unknown>> {
  const { os, log, interruption } = context;
  const machine = hypervisorConfigOf(config);
  const { path, machineType, accelerator, memoryMiB, vcpus, sharing, virtioFsDaemons, debug } = machine;
  const { memorySlots, block, entropySource, pcieRootPorts, vsock } = machine;
  const version = await programOutput(os, path, ["--version"]).catch(() => unknown);
  const present = version !== unknown;
  const question = { config, anew: false, log, signal: interruption.signal };
  const kvm = present ? await kvmVerdict(os, question).catch(() => undefined) : undefined;
  return {
    Type: config.hypervisor,
    Path: path,
    Version: version.split("\n")[0],
    MachineType: machineType,
    Accelerator: accelerator,
    AcceleratorInUse: kvm?.works === true && accelerator !== "tcg" ? "kvm" : "tcg",
    KVM: kvm === undefined ? unknown : kvm.works ? "works" : kvm.reason,
    MemoryMiB: memoryMiB,
    VCPUs: vcpus,
    SharedFS: sharing.fileSystem,
    VirtioFSDaemon: virtioFsDaemons[0] ?? "",
    Msize9p: sharing.msize9pBytes,
    MemorySlots: memorySlots,
    BlockDeviceDriver: block.driver,
    EntropySource: entropySource,
    PCIeRootPort: pcieRootPorts,
    UseVSock: vsock,
    Debug: debug,
  };
}

async function hostFacts(os: Os): Promise<Record<string, unknown>> {
  const read = (path: string) => os.files.readText(path).catch(() => "");
  const [release, distribution, cpus, memory] = [
    await read("/proc/sys/kernel/osrelease"),
    await read("/etc/os-release"),
    await read("/proc/cpuinfo"),
    await read("/proc/meminfo"),
  ];
  const first = (text: string, form: RegExp): string => form.exec(text)?.[1] ?? unknown;
  const flags = first(cpus, /^flags\s*:\s*(.*)$/m).split(" ");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(memory)?.[1] ?? 0);
  return {
    Kernel: release.trim() || unknown,
    Architecture: "amd64",
    VMContainerCapable: flags.includes("vmx") || flags.includes("svm"),
    SupportVSocks: (await os.files.status("/dev/vhost-vsock")) !== undefined,
    Distro: {
      Name: first(distribution, /^NAME="?([^"\n]*)"?$/m),
      Version: first(distribution, /^VERSION_ID="?([^"\n]*)"?$/m),
    },
    CPU: {
      Vendor: first(cpus, /^vendor_id\s*:\s*(.*)$/m),
      Model: first(cpus, /^model name\s*:\s*(.*)$/m),
      CPUs: [...cpus.matchAll(/^processor\s*:/gm)].length,
    },
    Memory: { TotalKiB: kib("MemTotal"), FreeKiB: kib("MemFree"), AvailableKiB: kib("MemAvailable") },
  };
}
