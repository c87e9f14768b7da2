/**
 * An undo stack for things inside this process: connections, timers, child objects. What must survive a crash belongs
 * in the journal instead.
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
  /** Called with every step that fails when the scope is disposed. Throwing instead would hide the original error. */
  readonly onFailure: (failure: UndoFailure) => void;
  /** Timeout of one step; default 10 s. A step that takes longer is reported and abandoned. */
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

  /** Registers how to undo what the caller makes next. Call it before making it, so that nothing is missed. */
  add(name: string, undo: Undo): void {
    if (this.#closing !== undefined) {
      throw new KumiteError("internal", `${name} cannot be registered for undoing: its scope is closed`);
    }
    this.#steps.push({ name, undo });
  }

  /** Moves all steps to a new scope. This one then has nothing to undo and can be used further. */
  handOver(): Scope {
    const owner = new Scope(this.#options);
    owner.#steps = this.#steps;
    this.#steps = [];
    return owner;
  }

  /** Runs every step once, even if others fail. Calling it again gives the same result. Never rejects. */
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
