/** The real libseccomp, in a small C program that is compiled once per test process (Debian: libseccomp-dev). */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Architecture, type Operator, operators } from "../actions.ts";
import type { Condition, SeccompProfile, Wide } from "../profile.ts";

const source = join(import.meta.dirname, "libseccomp-export.c");
let compiled: string | undefined;

/** The programs that libseccomp makes of these profiles, with the rules added in runc's order. */
export function libseccompPrograms(profiles: readonly SeccompProfile[]): Uint8Array[] {
  return answers(profiles.map(commands).join(""));
}

/** libseccomp's numbers of these calls; negative for a call that the architecture lacks. */
export function libseccompNumbers(architecture: Architecture, names: readonly string[]): number[] {
  const input = names.map((name) => `number ${architecture} ${name}\n`).join("");
  return answers(input).map((bytes) => new DataView(bytes.buffer).getInt32(0, true));
}

function answers(input: string): Uint8Array[] {
  const output = execFileSync(program(), { input, maxBuffer: 1 << 28 });
  const found: Uint8Array[] = [];
  for (let at = 0; at < output.length; ) {
    const length = output.readUInt32LE(at);
    found.push(Uint8Array.from(output.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return found;
}

function program(): string {
  if (compiled === undefined) {
    const directory = mkdtempSync(join(tmpdir(), "kumite-libseccomp-"));
    process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
    const output = join(directory, "export");
    execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", output, source, "-lseccomp"]);
    compiled = output;
  }
  return compiled;
}

function commands(profile: SeccompProfile): string {
  const lines = [`new ${profile.defaultAction}`, ...profile.architectures.map((name) => `arch ${name}`)];
  for (const { names, action, conditions } of profile.rules) {
    if (action === profile.defaultAction) continue;
    const words = conditions.map(conditionWords).join("");
    for (const name of names) lines.push(`rule ${action} ${name}${words}`);
  }
  return `${[...lines, "export"].join("\n")}\n`;
}

/** In the order of enum scmp_compare, which begins with 1. */
const order: readonly Operator[] = Object.values(operators);

function conditionWords({ argument, operator, value, mask }: Condition): string {
  const [first, second] = mask === undefined ? [value, value] : [mask, value];
  return ` ${argument} ${order.indexOf(operator) + 1} ${number(first)} ${number(second)}`;
}

function number({ high, low }: Wide): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
