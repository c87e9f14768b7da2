/** What a look at one requirement found. Plain data. */

export interface Finding {
  /** What is needed, e.g. `QEMU`. */
  readonly requirement: string;
  /** `note`: it works without, in a way that is told. `missing`: nothing runs. */
  readonly verdict: "ok" | "note" | "missing";
  /** What was found; the rest of a sentence about the requirement. */
  readonly found: string;
  /** What to do; for whatever is not `ok`. */
  readonly remedy?: string;
}

export function ok(requirement: string, found: string): Finding {
  return { requirement, verdict: "ok", found };
}

export function note(requirement: string, found: string, remedy: string): Finding {
  return { requirement, verdict: "note", found, remedy };
}

export function missing(requirement: string, found: string, remedy: string): Finding {
  return { requirement, verdict: "missing", found, remedy };
}
