/** waitid(2): how children ended. */
import { waitid as nativeWaitid } from "kumite:native";
import type { ExitStatus } from "../os.ts";
import { check, ECHILD } from "./check.ts";

export const P_ALL = 0;
export const P_PID = 1;

export const WNOHANG = 1;
export const WEXITED = 4;

const CLD_EXITED = 1;

export interface Ended {
  readonly pid: number;
  readonly status: ExitStatus;
}

/** siginfo_t of SIGCHLD: i32 code at 8, i32 pid at 16, i32 status at 24. A pid of 0 means that no child has ended. */
function decodeChildInfo(view: DataView): Ended | undefined {
  const pid = view.getInt32(16, true);
  if (pid === 0) return undefined;
  const status = view.getInt32(24, true);
  const exited = view.getInt32(8, true) === CLD_EXITED;
  return { pid, status: exited ? { kind: "exited", status } : { kind: "signalled", signal: status } };
}

/** `undefined` when no such child has ended yet, or, with P_ALL, when there are no children. */
export function waitid(idType: number, id: number, options: number): Ended | undefined {
  const info = new Uint8Array(128);
  const result = nativeWaitid(idType, id, info, options);
  if (result === ECHILD && idType === P_ALL) return undefined;
  check(result, "waitid", idType === P_ALL ? undefined : String(id));
  return decodeChildInfo(new DataView(info.buffer));
}
