/** Finds a file that a driver requires, or fails with a hint on how to get it. */
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

export interface RequiredFile {
  /** What the file is, e.g. "the guest kernel". */
  readonly what: string;
  /** Tried in this order. */
  readonly paths: readonly string[];
  readonly hint: string;
}

/** Returns the first path of a regular file. @throws KumiteError `hypervisor/not-found` naming all paths */
export async function requireFile(os: Os, { what, paths, hint }: RequiredFile): Promise<string> {
  for (const path of paths) {
    if ((await os.files.status(path))?.kind === "file") return path;
  }
  throw new KumiteError("hypervisor/not-found", `${what} is missing: there is no file ${paths.join(" or ")}`, {
    phase: "hypervisor.start",
    hint,
    data: { paths },
  });
}
