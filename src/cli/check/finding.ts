/** The result of checking one requirement. Plain data. */

export interface Finding {
  /** What is needed, e.g. `QEMU`. */
  readonly requirement: string;
  /** `note`: containers run, with a restriction that is reported. `missing`: nothing runs. */
  readonly verdict: "ok" | "note" | "missing";
  /** What was found; completes a sentence that begins with the requirement. */
  readonly found: string;
  /** What to do; set unless the verdict is `ok`. */
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
