/**
 * The event loop as TypeScript sees it: watches on descriptors, and the handling of uncaught failures. It knows nothing
 * of streams, timers or processes. The C host waits for events and calls back (`src/sys/native/loop.c`).
 */
import {
  endWithoutMemory,
  epollControl,
  exit,
  type FailureOrigin,
  setActive,
  setHandlers,
  setMain,
} from "kumite:native";
import { check, EBADF, ENOENT } from "../linux/check.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from "../linux/epoll.ts";
import { printInternalError } from "./failure.ts";

/** Called with the ready events, a set of EPOLL* bits. */
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
    // If an earlier handler in the same round has closed the watch, its event finds no handler.
    (token, events) => handlers.get(token)?.(events),
    (error, origin) => uncaughtHandler(error, origin),
  );
}

/**
 * Sets the main function, which must end the process itself: returning without that is a failure. Modules may have been
 * evaluated when the executable was built (`src/sys/native/image.c`), so nothing that depends on the process may run
 * when a module is loaded.
 */
export function atStart(main: () => Promise<void>): void {
  setMain(() => void main());
}

/**
 * Like `atStart`, for a program that may give up: when memory has run out, it must end by itself within ten seconds,
 * and never go without an event for a second; otherwise it is ended. Not for the first process of a VM, which must go
 * on.
 */
export function atStartWhileMemoryLasts(main: () => Promise<void>): void {
  atStart(() => {
    endWithoutMemory();
    return main();
  });
}

/**
 * Sets the handler of exceptions in event handlers and of unhandled rejections. The default prints the error and ends
 * the process with status 70. If the handler returns, the process goes on. It must not throw.
 */
export function onUncaught(handler: (error: unknown, origin: FailureOrigin) => void): void {
  uncaughtHandler = handler;
}

/**
 * Keeps the process running until the returned function is called; calling that again is harmless. When there are no
 * holds left the loop ends: nothing that is still awaited could happen any more.
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
 * Interest in the events of one descriptor. A descriptor can have only one watch, which must be closed before the
 * descriptor. Interest keeps the process running, unless `keepsRunning` is false.
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
   * Sets level-triggered interest; 0 removes the descriptor from the loop, so that not even EPOLLHUP is reported. Fails
   * with EPERM for descriptors that epoll refuses: regular files, /dev/null.
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
    // A descriptor that was closed too early has been removed from the epoll instance by the kernel.
    if (result !== ENOENT && result !== EBADF) check(result, "epoll_ctl", `descriptor ${this.#fd}`);
    this.#release?.();
    this.#release = undefined;
  }

  /** After this the handler is not called any more. Idempotent. */
  close(): void {
    this.set(0);
    handlers.delete(this.#token);
  }
}
