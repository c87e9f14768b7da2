/** Exit statuses of verbs. */
import type { ExitStatus } from "../sys/os.ts";
import type { Request } from "./parse.ts";

/**
 * The status of a verb that failed: 1, but 255 for `exec`, as with runc 1.1, to distinguish it from the process's
 * status.
 *
 * @param request `undefined` when the command line could not be parsed
 */
export function failureStatus(request: Request | undefined): number {
  return request?.kind === "invoke" && request.invocation.verb === "exec" ? 255 : 1;
}

/** The way a shell reports the end of a child: 128 + n for signal n. */
export function shellStatus(exit: ExitStatus): number {
  switch (exit.kind) {
    case "exited":
      return exit.status;
    case "signalled":
      return 128 + exit.signal;
  }
}
