/**
 * Compiles a profile to the program that the kernel runs for every system call. It is a binary search over the numbers
 * of system calls, so it is short to run. That also makes its installation quick, since the kernel then runs it for
 * every number.
 */
import { KumiteError } from "../util/errors.ts";
import { action } from "./actions.ts";
import { Assembler, type Target } from "./assembler.ts";
import { writeRules } from "./conditions.ts";
import type { SeccompFilter } from "./filter.ts";
import type { SeccompProfile } from "./profile.ts";
import { type Range, rangesOfX86, rangesOfX86_64 } from "./ranges.ts";
import { readProfile } from "./read-profile.ts";

/** AUDIT_ARCH_* of linux/audit.h. */
const auditX86_64 = 0xc000_003e;
const auditX86 = 0x4000_0003;
/** Offsets of `nr` and `arch` in `struct seccomp_data`. */
const numberOffset = 0;
const architectureOffset = 4;

/**
 * @param document `linux.seccomp` of a parsed OCI configuration
 * @throws KumiteError `oci/spec-invalid`, `oci/unsupported`; both name the key
 */
export function compileSeccomp(document: unknown): SeccompFilter {
  const profile = readProfile(document);
  refuseWithoutExecve(profile);
  return { flags: profile.flags, program: compileProfile(profile) };
}

/** Without execve, the program would be killed before its first instruction, and nobody could report why. */
function refuseWithoutExecve({ defaultAction, rules }: SeccompProfile): void {
  const allows = (value: number): boolean => value === action.allow || value === action.log;
  if (allows(defaultAction) || rules.some((rule) => allows(rule.action) && rule.names.includes("execve"))) return;
  throw new KumiteError(
    "oci/spec-invalid",
    "linux.seccomp does not allow execve, without which no program can be started",
    {
      hint: "add execve to the allowed calls",
      data: { key: "linux.seccomp" },
    },
  );
}

export function compileProfile(profile: SeccompProfile): Uint8Array {
  const assembler = new Assembler();
  const otherwise: Target = { action: profile.defaultAction };
  const branch = (audit: number, ranges: readonly Range[], others: Target): Target => {
    const search = writeSearch(assembler, ranges, otherwise, 0, ranges.length);
    return assembler.jump("==", audit, assembler.load(numberOffset, search), others);
  };
  // The action for programs of an architecture that the profile does not list, as in libseccomp.
  let entry: Target = { action: action.killThread };
  if (profile.architectures.includes("x86")) entry = branch(auditX86, rangesOfX86(profile), entry);
  entry = branch(auditX86_64, rangesOfX86_64(profile), entry);
  return assembler.finish(assembler.load(architectureOffset, entry));
}

/** Writes a search over the ranges from `begin` up to `end`, of which there is at least one. */
function writeSearch(
  assembler: Assembler,
  ranges: readonly Range[],
  otherwise: Target,
  begin: number,
  end: number,
): Target {
  const middle = (begin + end) >> 1;
  const range = ranges[middle];
  if (range === undefined) return otherwise;
  if (middle === begin) {
    const { verdict } = range;
    return typeof verdict === "number"
      ? { action: verdict }
      : writeRules(assembler, verdict.rules, verdict.width, otherwise);
  }
  const upper = writeSearch(assembler, ranges, otherwise, middle, end);
  const lower = writeSearch(assembler, ranges, otherwise, begin, middle);
  return assembler.jump(">=", range.first, upper, lower);
}
