/**
 * Descriptors of a new process: it keeps those it was given, and closes everything else of the agent's before it enters
 * the container.
 */
import { close_range, dup3, HIGHEST_DESCRIPTOR } from "../../sys/linux/file.ts";

/** The first descriptor after standard input, output and error. */
const firstOther = 3;

/** Closes all descriptors except 0 to 2 and those listed. */
export function closeAllBut(kept: readonly number[]): void {
  let from = firstOther;
  for (const fd of [...kept].sort((a, b) => a - b)) {
    if (fd < from) continue;
    if (fd > from) close_range(from, fd - 1);
    from = fd + 1;
  }
  close_range(from, HIGHEST_DESCRIPTOR);
}

/** Standard input, output and error, in this order; they stay open across exec. */
export function setStandard(fds: readonly [number, number, number]): void {
  fds.forEach((fd, standard) => {
    if (fd !== standard) dup3(fd, standard, 0);
  });
}
