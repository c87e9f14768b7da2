/**
 * The phases of a start, measured by the command, the shim and the guest, on one clock that begins with the command.
 * Pure arithmetic: knows neither who measured nor how it is shown.
 */
import { isRecord } from "../../util/json.ts";

export type Track = "kumite" | "shim" | "VM" | "guest" | "files";

export interface Phase {
  readonly track: Track;
  readonly name: string;
  /** Milliseconds since the command's start. */
  readonly beginMs: number;
  readonly endMs: number;
}

type Marks = Readonly<Record<string, number>>;

/** The shim's answer to `Timeline`. */
export interface ShimTimeline {
  readonly nowMs: number;
  readonly marks: Marks;
  readonly guest: { readonly nowMs: number; readonly marks: Marks } | undefined;
}

/** A step without a mark is omitted: its time belongs to the next one. */
type Steps = readonly (readonly [mark: string, name: string])[];

const commandSteps: Steps = [
  ["bundle", "reads the bundle"],
  ["claimed", "claims the id, makes cgroups"],
  ["spawned", "starts the VM, shim and relay"],
  ["ready", "waits until both are up"],
  ["created", "waits for the container"],
  ["running", "starts the program"],
];
const shimSteps: Steps = [
  ["shim", "Node reads the shim"],
  ["request", "receives and checks the request"],
];
const machineSteps: Steps = [
  ["disks", "runs hooks, makes disks and the shared tree"],
  ["accelerator", "chooses the accelerator"],
  ["virtiofsd", "starts virtiofsd"],
  ["qemu", "starts QEMU"],
  ["agent", "boots, until the agent answers"],
];
const fileSteps: Steps = [["share", "shares the root file system"]];
const guestSteps: Steps = [
  ["kernel", "the kernel boots, until its first program"],
  ["file systems", "the agent mounts what it needs"],
  ["drivers", "the agent loads drivers"],
];
const containerSteps: Steps = [
  ["sandbox", "makes the guest's sandbox"],
  ["container", "sets the guest's clock, creates the container"],
];

/** `answeredMs` is when the shim's answer arrived, on the command's clock. */
export function phasesOf(command: Marks, shim: ShimTimeline | undefined, answeredMs: number): Phase[] {
  const own = sequence("kumite", commandSteps, command, 0, 0);
  if (shim === undefined) return own;
  const { marks, guest } = shim;
  const shimStart = answeredMs - shim.nowMs;
  const from = (mark: string): number => marks[mark] ?? 0;
  const booted = Math.max(from("agent"), from("share"));
  return [
    ...own,
    ...sequence("shim", shimSteps, marks, 0, shimStart),
    ...sequence("files", fileSteps, marks, from("request"), shimStart),
    ...sequence("VM", machineSteps, marks, from("request"), shimStart),
    ...(guest === undefined ? [] : sequence("guest", guestSteps, guest.marks, 0, answeredMs - guest.nowMs)),
    ...sequence("shim", containerSteps, marks, booted, shimStart),
  ];
}

function sequence(track: Track, steps: Steps, marks: Marks, beginMs: number, offsetMs: number): Phase[] {
  const phases: Phase[] = [];
  let begin = beginMs;
  for (const [mark, name] of steps) {
    const end = marks[mark];
    if (end === undefined) continue;
    phases.push({ track, name, beginMs: begin + offsetMs, endMs: Math.max(begin, end) + offsetMs });
    begin = Math.max(begin, end);
  }
  return phases;
}

/** `undefined` if the answer has another form. */
export function parseShimTimeline(text: string): ShimTimeline | undefined {
  const told: unknown = JSON.parse(text);
  if (!isRecord(told) || typeof told.nowMs !== "number" || !isMarks(told.marks)) return undefined;
  const { guest } = told;
  const known = isRecord(guest) && typeof guest.nowMs === "number" && isMarks(guest.marks);
  const inGuest = known ? { nowMs: guest.nowMs as number, marks: guest.marks as Marks } : undefined;
  return { nowMs: told.nowMs, marks: told.marks, guest: inGuest };
}

function isMarks(value: unknown): value is Marks {
  return isRecord(value) && Object.values(value).every((mark) => typeof mark === "number");
}
