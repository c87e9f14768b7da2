/**
 * Decides between KVM and emulation. A `/dev/kvm` that can be opened proves nothing: there are nested and paravirtual
 * implementations that cannot run an ordinary kernel. Therefore a kernel is booted once, and the result is kept until
 * the host restarts.
 */
import type { Os } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";
import type { StartContext } from "../driver.ts";
import { LineTail } from "../line-tail.ts";
import { Program } from "../program.ts";
import { qemuArguments } from "./command-line.ts";
import { type KvmVerdict, KvmVerdicts } from "./kvm-verdicts.ts";
import type { Accelerator } from "./machine.ts";

export interface AcceleratorRequest {
  readonly choice: "auto" | Accelerator;
  readonly qemu: string;
  /** The kernel that will run, because the result for another kernel says little. */
  readonly kernel: string;
  readonly cgroups: readonly string[];
  /** Where the result is kept. The directory must not survive a restart of the host; default `/run/kumite`. */
  readonly cacheDirectory?: string;
  /** Timeout of the probe; default 10 000. */
  readonly timeoutMs?: number;
  /** Default `/dev/kvm`. If it does not exist, nothing is probed. */
  readonly device?: string;
  /** Boots the probe even if the result is known already. */
  readonly anew?: boolean;
}

const defaultDevice = "/dev/kvm";
const defaultCacheDirectory = "/run/kumite";
/**
 * Generous, because the result is kept: a host that was busy during the probe must not use emulation until it restarts.
 */
const defaultTimeoutMs = 10_000;
const consoleFd = 3;

/** @throws KumiteError `hypervisor/unsupported` if KVM was requested and cannot run a kernel */
export async function chooseAccelerator(
  os: Os,
  context: StartContext,
  request: AcceleratorRequest,
): Promise<Accelerator> {
  if (request.choice === "tcg") return "tcg";
  const verdict = await judgeKvm(os, context, request);
  if (verdict.works) return "kvm";
  if (request.choice === "kvm") {
    throw new KumiteError("hypervisor/unsupported", `KVM is configured but does not work: ${verdict.reason}`, {
      phase: "hypervisor.accelerator",
      hint: 'set accelerator = "auto" or "tcg" in [hypervisor.qemu] to run under emulation',
    });
  }
  context.log("info", "KVM does not work here: the VM is emulated, which is slower", { reason: verdict.reason });
  return "tcg";
}

/** Whether KVM can run that kernel here, from the kept result or by booting the kernel. */
export async function judgeKvm(os: Os, context: StartContext, request: AcceleratorRequest): Promise<KvmVerdict> {
  const { qemu, kernel, cacheDirectory = defaultCacheDirectory, device = defaultDevice } = request;
  if ((await os.files.status(device)) === undefined) {
    return { works: false, reason: `there is no ${device}` };
  }
  const verdicts = new KvmVerdicts(os, cacheDirectory);
  const known = request.anew === true ? undefined : await verdicts.find({ qemu, kernel });
  if (known !== undefined) return known;
  const reason = await probe(os, context, request);
  const verdict = { works: reason === "", reason };
  try {
    await verdicts.keep({ qemu, kernel }, verdict);
  } catch (error) {
    // Without the file the next start repeats the probe, which only costs time.
    const fields = { file: verdicts.file, reason: messageOf(error) };
    context.log("warn", "the answer of the KVM probe could not be kept", fields);
  }
  return verdict;
}

/** Boots the kernel without a root file system. The first byte on the serial line proves that it runs. */
async function probe(os: Os, context: StartContext, request: AcceleratorRequest): Promise<string> {
  const { qemu, kernel, cgroups, timeoutMs = defaultTimeoutMs } = request;
  const argv = qemuArguments({
    name: "kumite-kvm-probe",
    accelerator: "kvm",
    type: "q35",
    vcpus: 1,
    memory: { sizeMiB: 128 },
    boot: { kind: "kernel", kernel, parameters: ["earlyprintk=serial,ttyS0,115200", "console=ttyS0", "panic=-1"] },
    chardevs: [{ id: "console", fd: consoleFd }],
    devices: [{ kind: "serial", chardev: "console" }],
  });
  const program = await Program.start(os, context, "kvm-probe", {
    path: qemu,
    argv: [qemu, ...argv],
    env: {},
    descriptors: { [consoleFd]: { kind: "stream" } },
    cgroups,
    capabilities: [],
  });
  try {
    const console = new LineTail(program.stream(consoleFd));
    const spoke = console.begun.then(() => "");
    const died = program.death().then((how) => `qemu ${how}`);
    return await withDeadline(timeoutMs, "the KVM probe", () => Promise.race([spoke, died]), context.signal);
  } catch (error) {
    if (!isKumiteError(error, "timeout")) throw error;
    return `a kernel printed nothing within ${timeoutMs} ms`;
  } finally {
    await program.kill();
  }
}
