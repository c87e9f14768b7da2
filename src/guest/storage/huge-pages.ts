/** Reserves huge pages of the guest for a file system, and releases them with it. */
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { FsParameter } from "../spec/plan.ts";

/**
 * Reserves as many as the parameters `pagesize` and `size` say, in bytes; without these, none.
 *
 * @returns a function that releases them
 * @throws KumiteError `usage/invalid`; `storage/failed` when the guest has too few, and then none is reserved
 */
export function reserveHugePages(parameters: readonly FsParameter[]): () => void {
  const value = (key: string) => parameters.find((parameter) => parameter.key === key)?.value ?? "";
  const [pageBytes, bytes] = [Number(value("pagesize")), Number(value("size"))];
  if (value("pagesize") === "" || value("size") === "") return () => {};
  if (!Number.isSafeInteger(pageBytes) || !Number.isSafeInteger(bytes) || pageBytes < 1024 || bytes < 0) {
    throw new KumiteError("usage/invalid", "pagesize and size of huge pages must be numbers of bytes");
  }
  const file = `/sys/kernel/mm/hugepages/hugepages-${pageBytes / 1024}kB/nr_hugepages`;
  const wanted = Math.ceil(bytes / pageBytes);
  const before = pagesIn(file, pageBytes);
  const giveBack = (): void => {
    const now = pagesIn(file, pageBytes);
    writeKernelFile(file, String(Math.max(0, now - wanted)));
  };
  writeKernelFile(file, String(before + wanted));
  const got = pagesIn(file, pageBytes) - before;
  if (got >= wanted) return giveBack;
  writeKernelFile(file, String(before));
  throw new KumiteError("storage/failed", `the guest has ${got} of ${wanted} huge pages of ${pageBytes} bytes`, {
    hint: "raise default_memory, or lower the container's huge page limit",
  });
}

function pagesIn(file: string, pageBytes: number): number {
  try {
    return Number(readFileText(file));
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
    throw new KumiteError("storage/failed", `the guest's kernel has no huge pages of ${pageBytes} bytes`);
  }
}
