/**
 * The states of sandboxes and containers, the moves between them, and which operation is allowed in which. Pure: what an
 * operation does is in its own file.
 */

/** `none` is what is being made; the other names are the field's. OCI calls `ready` created. */
export type LifeState = "none" | "ready" | "running" | "paused" | "stopped";

const moves: Readonly<Record<LifeState, readonly LifeState[]>> = {
  none: ["ready", "stopped"],
  ready: ["running", "stopped"],
  running: ["paused", "stopped"],
  paused: ["running", "stopped"],
  stopped: ["running"],
};

/** Staying is no move. */
export function canMove(from: LifeState, to: LifeState): boolean {
  return from === to || moves[from].includes(to);
}

export type Operation = "start" | "exec" | "kill" | "ps" | "stats" | "update" | "pause" | "resume" | "delete";

interface Rule {
  readonly sandbox: readonly LifeState[];
  readonly container: readonly LifeState[];
  /** What is impossible otherwise. */
  readonly doing: string;
}

const any: readonly LifeState[] = ["none", "ready", "running", "paused", "stopped"];

export const rules: Readonly<Record<Operation, Rule>> = {
  // A container that has stopped could be started again by the moves; the OCI specification lets it be started once.
  start: { sandbox: ["running"], container: ["ready"], doing: "start the container" },
  exec: { sandbox: ["running"], container: ["ready", "running"], doing: "enter the container" },
  kill: {
    sandbox: ["ready", "running"],
    container: ["ready", "running", "paused"],
    doing: "signal the container",
  },
  ps: { sandbox: ["running"], container: ["running"], doing: "list its processes" },
  stats: { sandbox: ["running"], container: any, doing: "tell what it uses" },
  update: { sandbox: ["running"], container: ["ready", "running"], doing: "update the container" },
  pause: { sandbox: ["running"], container: ["running"], doing: "pause the container" },
  resume: { sandbox: ["running"], container: ["paused"], doing: "resume the container" },
  delete: { sandbox: any, container: ["ready", "stopped"], doing: "delete the container" },
};

/** Why an operation is refused, e.g. `container not running, impossible to pause the container`; `undefined` when it is not. */
export function refusalOf(operation: Operation, sandbox: LifeState, container: LifeState): string | undefined {
  const rule = rules[operation];
  if (!rule.sandbox.includes(sandbox)) return `sandbox not ${oneOf(rule.sandbox)}, impossible to ${rule.doing}`;
  if (!rule.container.includes(container)) return `container not ${oneOf(rule.container)}, impossible to ${rule.doing}`;
  return undefined;
}

/** As people write lists. */
function oneOf(states: readonly LifeState[]): string {
  const names = states.map((state) => (state === "ready" ? "created" : state));
  const last = names.at(-1) ?? "";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} or ${last}`;
}
