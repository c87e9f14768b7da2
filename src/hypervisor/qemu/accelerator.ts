/**
 * Decides between KVM and emulation.
 * A `/dev/kvm` that opens proves nothing: nested and para-virtual modules exist that cannot run an ordinary kernel. So a
 * kernel is booted once, and the answer kept for as long as the host runs.
 */
import type { Os } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import type { StartContext } from "../driver.ts";
import { LineTail } from "../line-tail.ts";
import { Program } from "../program.ts";
import { qemuArguments } from "./command-line.ts";
import type { Accelerator } from "./machine.ts";

export interface AcceleratorRequest {
  readonly choice: "auto" | Accelerator;
  readonly qemu: string;
  /** The kernel that will run: what another one would do says little. */
  readonly kernel: string;
  readonly cgroups: readonly string[];
  /** Where the answer is kept, a directory that is lost when the host restarts; default `/run/kumite`. */
  readonly cacheDirectory?: string;
  /** Of the probe; default 10 000. */
  readonly timeoutMs?: number;
  /** Default `/dev/kvm`; without it there is nothing to probe. */
  readonly device?: string;
  /** Boots the probe whatever is known already. */
  readonly anew?: boolean;
}

export interface KvmVerdict {
  readonly works: boolean;
  /** Why it does not work; empty when it does. */
  readonly reason: string;
}

/** What is known of KVM on this host since its last start. */
interface Verdict extends KvmVerdict {
  readonly bootId: string;
  readonly qemu: string;
  readonly kernel: string;
}

const defaultDevice = "/dev/kvm";
const defaultCacheDirectory = "/run/kumite";
/** The answer is kept: a host that is busy when it is first asked must not be emulated until its next start. */
const defaultTimeoutMs = 10_000;
const consoleFd = 3;

/** `hypervisor/unsupported` when KVM was asked for and cannot run a kernel. */
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

/** Whether KVM runs that kernel here, from what is known or by booting it. */
export async function judgeKvm(os: Os, context: StartContext, request: AcceleratorRequest): Promise<KvmVerdict> {
  const { qemu, kernel, cacheDirectory = defaultCacheDirectory, device = defaultDevice } = request;
  if ((await os.files.status(device)) === undefined) {
    return { works: false, reason: `there is no ${device}` };
  }
  const bootId = (await os.files.readText("/proc/sys/kernel/random/boot_id")).trim();
  const file = `${cacheDirectory}/kvm.json`;
  const known = request.anew === true ? undefined : await readVerdict(os, file);
  if (known?.bootId === bootId && known.qemu === qemu && known.kernel === kernel) return known;
  const reason = await probe(os, context, request);
  const verdict = { bootId, qemu, kernel, works: reason === "", reason };
  await keep(os, context, cacheDirectory, file, verdict);
  return verdict;
}

/** Boots the kernel without a root file system: its first byte on the serial line is all it takes. */
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

async function readVerdict(os: Os, file: string): Promise<Verdict | undefined> {
  let text: string;
  try {
    text = await os.files.readText(file);
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
  try {
    return asVerdict(parseJson(text));
  } catch {
    // What cannot be read is found out again.
    return undefined;
  }
}

function asVerdict(value: unknown): Verdict | undefined {
  if (!isRecord(value)) return undefined;
  const { bootId, qemu, kernel, works, reason } = value;
  if (typeof bootId !== "string" || typeof qemu !== "string" || typeof kernel !== "string") return undefined;
  if (typeof works !== "boolean" || typeof reason !== "string") return undefined;
  return { bootId, qemu, kernel, works, reason };
}

async function keep(os: Os, context: StartContext, directory: string, file: string, verdict: Verdict): Promise<void> {
  try {
    await os.files.makeDirs(directory, 0o700);
    await os.files.replace(file, `${JSON.stringify(verdict)}\n`);
  } catch (error) {
    // The next start asks again: slower, and nothing else.
    context.log("warn", "the answer of the KVM probe could not be kept", { file, reason: messageOf(error) });
  }
}
