/**
 * Keeps track of which container owns the cgroup that was created before there was a container. Requests still name the
 * paths they asked for; this maps them to where the cgroup is. Pure: creates and removes nothing.
 */
import { readyCgroup } from "../spec/cgroup-path.ts";

type State = { readonly kind: "none" } | { readonly kind: "free" } | { readonly kind: "taken"; readonly path: string };

export class ReadyPlace {
  #state: State = { kind: "none" };

  /** The cgroup exists and has no processes. */
  offer(): void {
    this.#state = { kind: "free" };
  }

  /** The cgroup has been removed. Another request for the same path gets a cgroup at that path. */
  forget(): void {
    this.#state = { kind: "none" };
  }

  /**
   * Where the cgroup for this path is. The first caller takes the ready one.
   * @returns `taken`: taken by this call
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

  /** Whether the owner of the ready cgroup asked for a path below this one. */
  isBelow(path: string): boolean {
    return this.#state.kind === "taken" && this.#state.path.startsWith(`${path}/`);
  }
}
