/** When the guest reached each step of its boot, as reported by its agent. Knows nothing of how it is shown. */
import { isRecord, parseJson } from "../util/json.ts";
import type { Sandbox } from "./sandbox.ts";

export interface GuestTimeline {
  /** When the agent sent the answer, on the same clock as the marks. */
  readonly nowMs: number;
  /** Milliseconds since the guest's kernel started. */
  readonly marks: Readonly<Record<string, number>>;
}

const maxMarks = 32;

/** `undefined` if the agent does not support this or its answer is invalid. */
export async function guestTimeline(sandbox: Sandbox): Promise<GuestTimeline | undefined> {
  const { vm } = sandbox.running();
  const request = { logType: "boot-timeline", containerId: "" };
  const answer = await vm.agent.getDiagnosticData(request).catch(() => undefined);
  return answer === undefined ? undefined : timelineOf(answer.data);
}

function timelineOf(text: string): GuestTimeline | undefined {
  let told: unknown;
  try {
    told = parseJson(text);
  } catch {
    return undefined;
  }
  if (!isRecord(told) || !isTime(told.nowMs) || !isRecord(told.marks)) return undefined;
  const marks = Object.entries(told.marks).filter((mark): mark is [string, number] => isTime(mark[1]));
  return { nowMs: told.nowMs, marks: Object.fromEntries(marks.slice(0, maxMarks)) };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < 1e9;
}
