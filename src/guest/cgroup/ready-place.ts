/**
 * Whose a cgroup is that was made before there was a container for it. Its container and those that lie below it know it by
 * the path that they ask for. Pure: makes and removes nothing.
 */
import { readyCgroup } from "../spec/cgroup-path.ts";

type State = { readonly kind: "none" } | { readonly kind: "free" } | { readonly kind: "taken"; readonly path: string };

export class ReadyPlace {
  #state: State = { kind: "none" };

  /** It is there, with nobody in it. */
  offer(): void {
    this.#state = { kind: "free" };
  }

  /** It is gone: what asks for the same path again gets a cgroup there. */
  forget(): void {
    this.#state = { kind: "none" };
  }

  /**
   * Where the cgroup for this path is. The first to ask takes the one that is ready.
   * @returns `taken`: by this call
   */
  placeFor(path: string): { readonly path: string; readonly taken: boolean } {
    switch (this.#state.kind) {
      case "none":
        return { path, taken: false };
      case "free":
        this.#state = { kind: "taken", path };
        return { path: readyCgroup, taken: true };
      case "taken": {
        const known = this.#state.path;
        const isIn = path === known || path.startsWith(`${known}/`);
        return { path: isIn ? readyCgroup + path.slice(known.length) : path, taken: false };
      }
    }
  }

  /** Whoever took it would lie below this path, were it not elsewhere. */
  isBelow(path: string): boolean {
    return this.#state.kind === "taken" && this.#state.path.startsWith(`${path}/`);
  }
}
