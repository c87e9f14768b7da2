/**
 * Processes that were started before this program ran, and are its children: whoever asks for one of them is given it
 * instead of a new one, if it is the very one that was asked for. Any other is ended before.
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

/** Of one that was killed. */
const endTimeoutMs = 10_000;

/** That Node's timers know. */
const longestMs = 2 ** 31 - 1;

export class Companions {
  /** Not asked for yet. */
  #waiting: readonly Companion[];

  /** @param fd `companions.at` of the request that this process was launched by; it is closed */
  constructor(fd: number) {
    const reports = JSON.parse(readFileSync(fd, "utf8")) as CompanionReport[];
    closeSync(fd);
    this.#waiting = reports.map((report) => new Companion(report));
  }

  /** `undefined` when it has to be started; nothing of one for the same program is in the way then. */
  async take(request: SpawnRequest): Promise<Spawned | undefined> {
    const wanted = canonical(request);
    const found = this.#waiting.find((companion) => canonical(companion.request) === wanted);
    if (found === undefined) {
      await this.#endAll(({ request: { path } }) => path === request.path);
      return undefined;
    }
    this.#waiting = this.#waiting.filter((companion) => companion !== found);
    return found.spawned();
  }

  /** Ends those that nobody has asked for; they are gone when it resolves. */
  async discard(): Promise<void> {
    await this.#endAll(() => true);
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
    // Node reaps its own children only: this one stays a zombie, and its number nobody else's, while this process lives.
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
    // As a child of Node's own would; a signal that is waited for does not.
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

  /** With what it had bound. */
  async end(): Promise<void> {
    const { pid } = this.#report;
    this.#kill(pid, "SIGKILL");
    await withDeadline(endTimeoutMs, `the end of process ${pid}`, () => this.#exited.promise);
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

/** The same text for the same request, whichever engine has made it. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
