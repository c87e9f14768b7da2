/** Parses numbers of the command line, with the units that engines and people write. Pure. */
import { KumiteError } from "../util/errors.ts";

const powers: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const maxInteger = 2 ** 63;

/** A decimal integer ≥ `min`. @throws KumiteError `usage/invalid`, naming `flag` */
export function parseInteger(flag: string, text: string, min: number): number {
  const value = Number(text);
  if (/^-?\d{1,19}$/.test(text) && value >= min && value < maxInteger) return value;
  throw invalid(flag, text, min < 0 ? "is not an integer" : `is not an integer of at least ${min}`);
}

/** `64M`, `1.5GiB`, `4096`: bytes, in powers of 1024 as with runc. -1 stands for no limit. */
export function parseBytes(flag: string, text: string): number {
  if (text === "-1") return -1;
  const match = /^(\d{1,19}(?:\.\d{1,9})?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  const power = powers[(match?.[2] ?? "").toLowerCase()];
  const value = Math.floor(Number(match?.[1]) * 1024 ** (power ?? 0));
  if (match === null || power === undefined || value >= maxInteger) {
    throw invalid(flag, text, "is not a size: write a number, if need be with K, M or G, or -1 for no limit");
  }
  return value;
}

/** `5s`, `1m30s`, `500ms`: milliseconds, above 0. */
export function parseDuration(flag: string, text: string): number {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)/g)];
  const whole = parts.map(([part]) => part).join("");
  const ms = parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (unitMs[unit] ?? 0), 0);
  if (whole !== text || ms <= 0) throw invalid(flag, text, "is not a duration above zero, such as 5s or 1m30s");
  return ms;
}

function invalid(flag: string, text: string, why: string): KumiteError {
  return new KumiteError("usage/invalid", `--${flag}: ${JSON.stringify(text)} ${why}`, { data: { flag } });
}
