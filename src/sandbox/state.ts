/**
 * The states of sandboxes and containers, the transitions between them, and the states in which each operation is
 * allowed. Pure: the operations have their own files.
 */

/** `none`: still being made. `ready`: called "created" by OCI. */
export type LifeState = "none" | "ready" | "running" | "paused" | "stopped";

const moves: Readonly<Record<LifeState, readonly LifeState[]>> = {
  none: ["ready", "stopped"],
  ready: ["running", "stopped"],
  running: ["paused", "stopped"],
  paused: ["running", "stopped"],
  stopped: ["running"],
};

/** Staying in a state is allowed and no transition. */
export function canMove(from: LifeState, to: LifeState): boolean {
  return from === to || moves[from].includes(to);
}

export type Operation = "start" | "exec" | "kill" | "ps" | "stats" | "update" | "pause" | "resume" | "delete";

interface Rule {
  readonly sandbox: readonly LifeState[];
  readonly container: readonly LifeState[];
  /** The end of the sentence "impossible to …". */
  readonly doing: string;
}

const any: readonly LifeState[] = ["none", "ready", "running", "paused", "stopped"];

export const rules: Readonly<Record<Operation, Rule>> = {
  // The transitions would allow a stopped container to start again, but the OCI specification does not.
  start: { sandbox: ["running"], container: ["ready"], doing: "start the container" },
  exec: { sandbox: ["running"], container: ["ready", "running"], doing: "enter the container" },
  kill: {
    sandbox: ["ready", "running"],
    container: ["ready", "running", "paused"],
    doing: "signal the container",
  },
  ps: { sandbox: ["running"], container: ["running"], doing: "list the container's processes" },
  stats: { sandbox: ["running"], container: any, doing: "read the container's statistics" },
  update: { sandbox: ["running"], container: ["ready", "running"], doing: "update the container" },
  pause: { sandbox: ["running"], container: ["running"], doing: "pause the container" },
  resume: { sandbox: ["running"], container: ["paused"], doing: "resume the container" },
  delete: { sandbox: any, container: ["ready", "stopped"], doing: "delete the container" },
};

/**
 * The reason for a refusal, such as `container not running, impossible to pause the container`; `undefined` if the
 * operation is allowed.
 */
export function refusalOf(operation: Operation, sandbox: LifeState, container: LifeState): string | undefined {
  const rule = rules[operation];
  if (!rule.sandbox.includes(sandbox)) return `sandbox not ${oneOf(rule.sandbox)}, impossible to ${rule.doing}`;
  if (!rule.container.includes(container)) return `container not ${oneOf(rule.container)}, impossible to ${rule.doing}`;
  return undefined;
}

/** Joins the names with commas and "or". */
function oneOf(states: readonly LifeState[]): string {
  const names = states.map((state) => (state === "ready" ? "created" : state));
  const last = names.at(-1) ?? "";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} or ${last}`;
}
