/**
 * Processes that were started as this program's children before it ran. A spawn request that equals a companion's is
 * given that companion instead of a new process. Otherwise companions of the same program are ended before the new
 * process starts.
 */
import { closeSync, readFileSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import type { ByteStream, CompanionReport, ExitStatus, SpawnRequest } from "../os.ts";
import { parseExit } from "../proc-text.ts";
import { SocketStream } from "./socket-stream.ts";
import type { Spawned } from "./spawn.ts";
import { errnoOf } from "./system-error.ts";

/** Limit for the end of a killed companion. */
const endTimeoutMs = 10_000;

/** The longest delay of Node's timers. */
const longestMs = 2 ** 31 - 1;

export class Companions {
  /** Companions that no request has taken yet. */
  #waiting: readonly Companion[];

  /** @param fd `companions.at` of the request with which this process was launched; it is closed */
  constructor(fd: number) {
    const reports = JSON.parse(readFileSync(fd, "utf8")) as CompanionReport[];
    closeSync(fd);
    this.#waiting = reports.map((report) => new Companion(report));
  }

  /** Implements `Processes.expect`. */
  async expect(requests: readonly SpawnRequest[]): Promise<void> {
    const waiting = new Set(this.#waiting.map((companion) => canonical(companion.request)));
    if (!requests.every((request) => waiting.has(canonical(request)))) await this.discard();
  }

  /** Whether `take` would give this process. */
  has(request: SpawnRequest): boolean {
    return this.#find(request) !== undefined;
  }

  /** `undefined` when the process must be started; then no companion for the same program is left to be in its way. */
  async take(request: SpawnRequest): Promise<Spawned | undefined> {
    const found = this.#find(request);
    if (found === undefined) {
      await this.#endAll(({ request: { path } }) => path === request.path);
      return undefined;
    }
    this.#waiting = this.#waiting.filter((companion) => companion !== found);
    return found.spawned();
  }

  /** Ends the companions that no request has taken. They are gone when this resolves. */
  async discard(): Promise<void> {
    await this.#endAll(() => true);
  }

  #find(request: SpawnRequest): Companion | undefined {
    const wanted = canonical(request);
    return this.#waiting.find((companion) => canonical(companion.request) === wanted);
  }

  async #endAll(which: (companion: Companion) => boolean): Promise<void> {
    const ending = this.#waiting.filter(which);
    this.#waiting = this.#waiting.filter((companion) => !ending.includes(companion));
    await Promise.all(ending.map((companion) => companion.end()));
  }
}

class Companion {
  readonly request: SpawnRequest;
  readonly #report: CompanionReport;
  readonly #exited = deferred<ExitStatus>();
  #running = true;

  constructor(report: CompanionReport) {
    this.request = report.request;
    this.#report = report;
    // Node reaps only children that it has started itself. So a companion stays a zombie, and its pid is not reused, as
    // long as this process lives.
    const look = (): void => {
      const status = this.#look();
      if (status === undefined) return;
      process.off("SIGCHLD", look);
      this.#running = false;
      this.#exited.resolve(status);
    };
    process.on("SIGCHLD", look);
    look();
  }

  spawned(): Spawned {
    const { pid, startTicks } = this.#report;
    const sockets = this.#sockets();
    // Keeps this process running, as Node does for its own children; a signal handler alone would not.
    const alive = setInterval(() => {}, longestMs);
    void this.#exited.promise.then(() => clearInterval(alive));
    return {
      pid,
      startTicks,
      streams: new Map(sockets.map(([number, socket]): [number, ByteStream] => [number, new SocketStream(socket)])),
      exited: this.#exited.promise,
      kill: (signal) => this.#kill(pid, signal),
      killGroup: (signal) => this.#kill(-pid, signal),
      keepAlive: (on) => {
        on ? alive.ref() : alive.unref();
        for (const [, socket] of sockets) if (!socket.destroyed) on ? socket.ref() : socket.unref();
      },
    };
  }

  /** Ends the companion and removes the sockets it had bound. */
  async end(): Promise<void> {
    const { pid } = this.#report;
    this.#kill(pid, "SIGKILL");
    await withDeadline(endTimeoutMs, `waiting for process ${pid} to end`, () => this.#exited.promise);
    for (const [, socket] of this.#sockets()) socket.destroy();
    for (const descriptor of Object.values(this.request.descriptors)) {
      if (descriptor.kind === "listen") removeQuietly(descriptor.path);
    }
  }

  #sockets(): [number, Socket][] {
    const ends = Object.entries(this.#report.streams);
    return ends.map(([number, fd]) => [Number(number), new Socket({ fd, allowHalfOpen: true })]);
  }

  #kill(pid: number, signal: number | NodeJS.Signals): void {
    if (!this.#running) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH") throw error;
    }
  }

  #look(): ExitStatus | undefined {
    return parseExit(readFileSync(`/proc/${this.#report.pid}/stat`, "utf8"));
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** The same text for equal requests, whichever engine created them. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
