/** The pings of one session that the peer has not answered yet. */
import { type Deferred, deferred } from "../../util/deferred.ts";
import { greetingPing } from "./session-state.ts";

export class Pings {
  readonly #unanswered = new Map<number, Deferred>();
  #next = greetingPing + 1;

  /** Returns the value of a new ping, and the promise of its answer. */
  make(): { readonly value: number; readonly answered: Promise<void> } {
    const value = this.#next;
    this.#next = (this.#next + 1) % 0x1_0000_0000;
    return { value, answered: this.expect(value) };
  }

  /** Resolves when the peer answers the ping of this value. */
  expect(value: number): Promise<void> {
    const answer = deferred();
    this.#unanswered.set(value, answer);
    return answer.promise;
  }

  take(value: number): void {
    this.#unanswered.get(value)?.resolve();
    this.#unanswered.delete(value);
  }

  /** Rejects all promises: the session is over. */
  fail(reason: unknown): void {
    for (const answer of this.#unanswered.values()) answer.reject(reason);
    this.#unanswered.clear();
  }
}
