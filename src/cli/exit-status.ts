/** Exit statuses of verbs. */
import type { ExitStatus } from "../sys/os.ts";

/** Of a verb that could not do what was asked. */
export const failureStatus = 1;

/** As a shell tells the end of a child: 128 + n for signal n. */
export function shellStatus(exit: ExitStatus): number {
  switch (exit.kind) {
    case "exited":
      return exit.status;
    case "signalled":
      return 128 + exit.signal;
  }
}
