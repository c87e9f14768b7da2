/**
 * The event loop as TypeScript sees it: descriptors to watch, and what to do with failures nobody caught.
 * Knows nothing of streams, timers or processes. The C host waits and calls back (`src/sys/native/loop.c`).
 */
import { epollControl, exit, type FailureOrigin, setActive, setHandlers, setMain } from "kumite:native";
import { check, EBADF, ENOENT } from "../linux/check.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from "../linux/epoll.ts";
import { printInternalError } from "./failure.ts";

/** Gets the ready events, a set of EPOLL bits. */
export type EventHandler = (events: number) => void;

const handlers = new Map<number, EventHandler>();
let nextToken = 1;
let active = 0;
let uncaughtHandler: (error: unknown, origin: FailureOrigin) => void = (error) => {
  printInternalError(error);
  exit(70);
};

/** Called once, by the prelude. */
export function startLoop(): void {
  setHandlers(
    // An event of a watch that a handler before it in the same round has closed finds no handler.
    (token, events) => handlers.get(token)?.(events),
    (error, origin) => uncaughtHandler(error, origin),
  );
}

/**
 * What the program does until it ends its process; one that comes to its end in another way has failed. An executable may have
 * been built with its modules evaluated already (`src/sys/native/image.c`), so nothing that depends on the process belongs into
 * what runs when a module is loaded.
 */
export function atStart(main: () => Promise<void>): void {
  setMain(() => void main());
}

/**
 * What happens with exceptions of event handlers and rejections that nobody handles. The default prints the error and
 * ends the process with status 70; a handler that returns keeps it running. It must not throw.
 */
export function onUncaught(handler: (error: unknown, origin: FailureOrigin) => void): void {
  uncaughtHandler = handler;
}

/**
 * Keeps the process running until the result is called, once or more often. Without such holds the loop ends: what is
 * still awaited then can never come.
 */
export function hold(): () => void {
  setActive(++active);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    setActive(--active);
  };
}

/**
 * Interest in one descriptor. A descriptor has at most one watch; close it before the descriptor.
 * Interest keeps the process running, unless the watch was made otherwise.
 */
export class Watch {
  readonly #fd: number;
  readonly #token = nextToken++;
  readonly #keepsRunning: boolean;
  #release: (() => void) | undefined;
  #events = 0;

  constructor(fd: number, handler: EventHandler, options: { readonly keepsRunning?: boolean } = {}) {
    this.#fd = fd;
    this.#keepsRunning = options.keepsRunning ?? true;
    handlers.set(this.#token, handler);
  }

  get events(): number {
    return this.#events;
  }

  /**
   * Level-triggered interest; 0 takes the descriptor out of the loop, so that not even EPOLLHUP is reported.
   * Fails with EPERM for what epoll refuses: regular files, /dev/null.
   */
  set(events: number): void {
    if (events === this.#events) return;
    if (events === 0) this.#remove();
    else {
      const operation = this.#events === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
      check(epollControl(operation, this.#fd, events, this.#token), "epoll_ctl", `descriptor ${this.#fd}`);
      if (this.#keepsRunning) this.#release ??= hold();
    }
    this.#events = events;
  }

  #remove(): void {
    const result = epollControl(EPOLL_CTL_DEL, this.#fd, 0, this.#token);
    // A descriptor that was closed too early has left the instance by itself.
    if (result !== ENOENT && result !== EBADF) check(result, "epoll_ctl", `descriptor ${this.#fd}`);
    this.#release?.();
    this.#release = undefined;
  }

  /** No event comes after this. Idempotent. */
  close(): void {
    this.set(0);
    handlers.delete(this.#token);
  }
}
