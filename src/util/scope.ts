/**
 * An undo stack for things that live in this process: connections, timers, child objects. What must survive a crash
 * belongs in the journal instead.
 */
import { withDeadline } from "./deadline.ts";
import { KumiteError } from "./errors.ts";

export type Undo = (signal: AbortSignal) => void | Promise<void>;

export interface UndoFailure {
  /** Name of the step. */
  readonly name: string;
  readonly error: unknown;
}

export interface ScopeOptions {
  /** Told of every step that fails when the scope is disposed; an exception here would hide the error being thrown. */
  readonly onFailure: (failure: UndoFailure) => void;
  /** Limit of one step; default 10 s. A step that takes longer is reported and left behind. */
  readonly stepTimeoutMs?: number;
}

interface Step {
  readonly name: string;
  readonly undo: Undo;
}

/** `await using scope = new Scope(...)`: undoes what was registered, newest first, unless it was handed over. */
export class Scope implements AsyncDisposable {
  readonly #options: ScopeOptions;
  #steps: Step[] = [];
  #closing: Promise<UndoFailure[]> | undefined;

  constructor(options: ScopeOptions) {
    this.#options = options;
  }

  /** Registers how to undo what the caller makes next. Call it before making, so that nothing falls between. */
  add(name: string, undo: Undo): void {
    if (this.#closing !== undefined) {
      throw new KumiteError("internal", `${name} cannot be registered for undoing: its scope is closed`);
    }
    this.#steps.push({ name, undo });
  }

  /** Moves all steps to a new scope; this one has nothing left to undo and can be used on. */
  handOver(): Scope {
    const owner = new Scope(this.#options);
    owner.#steps = this.#steps;
    this.#steps = [];
    return owner;
  }

  /** Runs every step once, whatever fails on the way. Calling it again gives the same result. Never rejects. */
  close(): Promise<UndoFailure[]> {
    this.#closing ??= this.#undoAll();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const failure of await this.close()) this.#options.onFailure(failure);
  }

  async #undoAll(): Promise<UndoFailure[]> {
    const failures: UndoFailure[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      const { name, undo } = step;
      try {
        // No parent signal: the caller's abort is often why this runs.
        await withDeadline(this.#options.stepTimeoutMs ?? 10_000, `undoing ${name}`, async (signal) => undo(signal));
      } catch (error) {
        failures.push({ name, error });
      }
    }
    return failures;
  }
}
