/** Exit statuses of verbs. */
import type { ExitStatus } from "../sys/os.ts";
import type { Request } from "./parse.ts";

/**
 * Of a verb that could not do what was asked: 1, and 255 for an `exec`, as with runc 1.1, so that it is not taken for a
 * status of the process.
 *
 * @param request `undefined` when the words were not understood
 */
export function failureStatus(request: Request | undefined): number {
  return request?.kind === "invoke" && request.invocation.verb === "exec" ? 255 : 1;
}

/** As a shell tells the end of a child: 128 + n for signal n. */
export function shellStatus(exit: ExitStatus): number {
  switch (exit.kind) {
    case "exited":
      return exit.status;
    case "signalled":
      return 128 + exit.signal;
  }
}
