/**
 * A container whose processes, and the verbs called on it, are stopped at each durable write. The crash walk kills
 * these processes, and queries the container afterwards.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Bundle } from "../support/bundle.ts";
import { eventually, within } from "../support/eventually.ts";
import { nativeHelper } from "../support/native.ts";
import { type Role, sandboxProcesses } from "../support/sandbox.ts";
import type { OciState, Workplace } from "../support/workplace.ts";
import { type DurableWrite, DurableWrites } from "./durable-write.ts";
import { Gate, type Stop } from "./gate.ts";

/**
 * A process that may be killed: one of the sandbox, or the verb. `exec-relay` is the relay of an exec process,
 * `virtiofsd-worker` the half of the daemon that serves while the first half waits for it.
 */
export type Victim = Role | "verb" | keyof typeof seconds;

/** The second process of a role. */
const seconds = { "exec-relay": "relay", "virtiofsd-worker": "virtiofsd" } as const satisfies Record<string, Role>;

export const walkedVerbs = ["create", "start", "exec", "kill", "delete", "delete --force"] as const;
export type WalkedVerb = (typeof walkedVerbs)[number];

/** Called at each stop; has to call `goOn`. */
export type OnWrite = (write: DurableWrite, stop: Stop) => void | Promise<void>;

const verbTimeoutMs = 120_000;

/** A running verb. */
export interface VerbRun {
  /** The verb's own exit status. */
  readonly status: Promise<number>;
  /** Exit status of the process in the pid file; only for verbs that write one, and only if they exit with 0. */
  readonly processStatus: Promise<number>;
  readonly errors: () => string;
}

export class Subject implements AsyncDisposable {
  readonly id: string;
  /** Called at each durable write; by default lets the process go on. */
  onWrite: OnWrite = (_write, stop) => stop.goOn();
  readonly #place: Workplace;
  readonly #bundle: Bundle;
  readonly #writes: DurableWrites;
  readonly #gates: Gate[] = [];
  readonly #reaped: VerbRun[] = [];

  constructor(place: Workplace, bundle: Bundle) {
    this.id = place.newId();
    this.#place = place;
    this.#bundle = bundle;
    this.#writes = new DurableWrites(place.root, this.id);
  }

  /** Brings the container into a state in which the verb can be called. */
  async prepareFor(verb: WalkedVerb): Promise<void> {
    if (verb === "create") return;
    await this.#succeed("create");
    if (verb === "start") return;
    await this.#succeed("start");
    if (verb !== "delete") return;
    await this.#succeed("kill");
    await this.allReaped();
    await this.settled("kill");
  }

  async run(verb: WalkedVerb): Promise<VerbRun> {
    const { id } = this;
    const bundle = ["--bundle", this.#bundle.directory];
    switch (verb) {
      case "create":
        return this.#underReaper((pidFile) => ["create", ...bundle, "--pid-file", pidFile, id]);
      case "exec":
        return this.#underReaper((pidFile) => ["exec", "--detach", "--pid-file", pidFile, id, "sleep", "1000"]);
      case "kill":
        return this.#plainly(["kill", id, "KILL"]);
      case "start":
      case "delete":
        return this.#plainly([verb, id]);
      case "delete --force":
        return this.#plainly(["delete", "--force", id]);
    }
  }

  /** The processes that are alive. */
  victims(): Victim[] {
    const living = sandboxProcesses(this.id);
    return [
      ...(this.#verbPid() === undefined ? [] : ["verb" as const]),
      ...living.keys(),
      ...typedKeys(seconds).filter((second) => (living.get(seconds[second]) ?? []).length > 1),
    ];
  }

  pidOf(victim: Victim): number | undefined {
    const living = sandboxProcesses(this.id);
    switch (victim) {
      case "verb":
        return this.#verbPid();
      case "exec-relay":
      case "virtiofsd-worker":
        return living.get(seconds[victim])?.[1];
      default:
        return living.get(victim)?.[0];
    }
  }

  /**
   * Resolves when the process is dead, reaped or not. A process that was just started may not run its own program yet,
   * and a helper may have ended by itself.
   */
  async kill(victim: Victim): Promise<void> {
    // While the helper has nothing to do, nothing depends on it.
    if (victim === "helper" && this.pidOf(victim) === undefined) return;
    const pid = await eventually(`a ${victim} to kill`, () => this.pidOf(victim));
    process.kill(pid, "SIGKILL");
    await eventually(`the death of the ${victim}`, () => (isAlive(pid) ? undefined : true));
  }

  /** Resolves when everything that the verb caused is done, and ended processes are gone. */
  async settled(verb: WalkedVerb): Promise<void> {
    const ends = verb === "kill" || verb.startsWith("delete");
    await eventually("the end of the sandbox", () =>
      !ends || sandboxProcesses(this.id).size === 0 ? true : undefined,
    );
    await this.truth();
  }

  /** Resolves when state, list and process table agree: the status, or `undefined` if the container is unknown. */
  truth(): Promise<OciState["status"] | undefined> {
    return eventually("state, list and the process table agree", async () => {
      const agreed = await this.#look();
      return agreed === undefined ? undefined : { status: agreed.status };
    }).then(({ status }) => status);
  }

  /** Resolves when each process in a pid file has been reaped by the process that waits for it. */
  async allReaped(): Promise<void> {
    for (const { status, processStatus } of this.#reaped) {
      if ((await status) === 0) await within("the status of a process", verbTimeoutMs, processStatus);
    }
  }

  /** Resolves when no process that was started through a gate is alive. */
  async allGone(): Promise<void> {
    for (const gate of this.#gates) await within("the end of all that was started", verbTimeoutMs, gate.closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.onWrite = (_write, stop) => stop.goOn();
    await this.#place.remove(this.id);
    for (const gate of this.#gates) gate.close();
  }

  async #succeed(verb: WalkedVerb): Promise<void> {
    const run = await this.run(verb);
    const status = await run.status;
    if (status !== 0) throw new Error(`${verb} ended with ${status}: ${run.errors()}`);
  }

  async #plainly(words: readonly string[]): Promise<VerbRun> {
    const gate = await this.#gate(this.#place.argv(...words));
    const never = Promise.reject(new Error("this verb writes no pid file"));
    never.catch(() => {});
    return {
      status: within(words.join(" "), verbTimeoutMs, gate.exited),
      processStatus: never,
      errors: () => gate.errors,
    };
  }

  async #underReaper(words: (pidFile: string) => readonly string[]): Promise<VerbRun> {
    const pidFile = this.#place.path("pid");
    const argv = this.#place.argv(...words(pidFile));
    const gate = await this.#gate([await nativeHelper("reaper"), pidFile, ...argv]);
    let said = "";
    const wordOf = (what: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const status = new RegExp(`^${what} (\\d+)$`, "m").exec(said)?.[1];
          if (status !== undefined) resolve(Number(status));
        };
        gate.conversation.on("data", look);
        gate.conversation.once("close", () => reject(new Error(`no status of the ${what}: ${said}`)));
      });
    gate.conversation.on("data", (chunk: Buffer) => (said += chunk));
    const run = { status: within("the verb", verbTimeoutMs, wordOf("verb")), processStatus: wordOf("process") };
    run.processStatus.catch(() => {});
    const verb = { ...run, errors: () => gate.errors };
    this.#reaped.push(verb);
    return verb;
  }

  async #gate(argv: readonly string[]): Promise<Gate> {
    const gate = await Gate.start(this.#place.directory, argv, (stop) => this.#onStop(stop));
    this.#gates.push(gate);
    return gate;
  }

  #onStop(stop: Stop): void {
    const write = this.#writes.nameOf(stop);
    if (write === undefined) stop.goOn();
    else void this.onWrite(write, stop);
  }

  #verbPid(): number | undefined {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const words = argvOf(pid);
      if (path.basename(words[0] ?? "") === "kumite" && words.includes(this.id)) return Number(pid);
    }
    return undefined;
  }

  async #look(): Promise<{ status: OciState["status"] | undefined } | undefined> {
    const [state, list] = await Promise.all([
      this.#place.runtime(["state", this.id]),
      this.#place.must(["list", "--format", "json"]),
    ]);
    const living = sandboxProcesses(this.id);
    const listed = ((JSON.parse(list.stdout) ?? []) as OciState[]).find(({ id }) => id === this.id)?.status;
    const status = state.status === 0 ? (JSON.parse(state.stdout) as OciState).status : undefined;
    return status === listed && fits(status, living) ? { status } : undefined;
  }
}

/** Whether the living processes fit this status. */
function fits(status: OciState["status"] | undefined, living: ReadonlyMap<Role, unknown>): boolean {
  const machine = living.has("qemu") || living.has("agent");
  switch (status) {
    case undefined:
    case "stopped":
      return living.size === 0;
    case "creating":
      // Its shim waits for a verb that is dead, and gives up after a while.
      return living.has("shim") && !machine;
    case "created":
    case "running":
    case "paused":
      return living.has("shim") && living.has("relay") && machine;
  }
}

function typedKeys<Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(record) as Key[];
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function argvOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
