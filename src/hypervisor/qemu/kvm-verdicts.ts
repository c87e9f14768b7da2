/**
 * The results of KVM probes, kept in a file until the host restarts. Different configurations may use different QEMUs
 * and kernels in turn, so the file holds several results.
 */
import type { Os } from "../../sys/os.ts";
import { isSystemError } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";

export interface KvmVerdict {
  readonly works: boolean;
  /** Why KVM does not work; empty if it does. */
  readonly reason: string;
}

/** What was probed; paths. */
export interface Probed {
  readonly qemu: string;
  readonly kernel: string;
}

type KeptVerdict = KvmVerdict & Probed;

/** How many results are kept, the latest first. */
const maxVerdicts = 16;

export class KvmVerdicts {
  readonly #os: Os;
  readonly #directory: string;
  readonly #file: string;

  /** @param directory made if missing; must not survive a restart of the host */
  constructor(os: Os, directory: string) {
    this.#os = os;
    this.#directory = directory;
    this.#file = `${directory}/kvm.json`;
  }

  get file(): string {
    return this.#file;
  }

  /** `undefined` if there is no result, or the file is damaged. */
  async find(probed: Probed): Promise<KvmVerdict | undefined> {
    return (await this.#read()).find((kept) => isSame(kept, probed));
  }

  /** Replaces an earlier result for the same QEMU and kernel. @throws SystemError */
  async keep(probed: Probed, verdict: KvmVerdict): Promise<void> {
    const others = (await this.#read()).filter((kept) => !isSame(kept, probed));
    const { qemu, kernel } = probed;
    const { works, reason } = verdict;
    const verdicts: KeptVerdict[] = [{ qemu, kernel, works, reason }, ...others].slice(0, maxVerdicts);
    await this.#os.files.makeDirs(this.#directory, 0o700);
    const bootId = await this.#bootId();
    await this.#os.files.replace(this.#file, `${JSON.stringify({ bootId, verdicts })}\n`);
  }

  async #read(): Promise<readonly KeptVerdict[]> {
    let text: string;
    try {
      text = await this.#os.files.readText(this.#file);
    } catch (error) {
      if (isSystemError(error)) return [];
      throw error;
    }
    return verdictsIn(text, await this.#bootId());
  }

  async #bootId(): Promise<string> {
    return (await this.#os.files.readText("/proc/sys/kernel/random/boot_id")).trim();
  }
}

function isSame(one: Probed, other: Probed): boolean {
  return one.qemu === other.qemu && one.kernel === other.kernel;
}

function verdictsIn(text: string, bootId: string): readonly KeptVerdict[] {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    // The probe is repeated if the file is unreadable.
    return [];
  }
  if (!isRecord(value) || value.bootId !== bootId || !Array.isArray(value.verdicts)) return [];
  return value.verdicts.filter(isVerdict);
}

function isVerdict(value: unknown): value is KeptVerdict {
  if (!isRecord(value) || typeof value.qemu !== "string" || typeof value.kernel !== "string") return false;
  return typeof value.works === "boolean" && typeof value.reason === "string";
}
