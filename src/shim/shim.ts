/**
 * A shim's life: it serves its socket, makes one sandbox on request, and ends with it. Does not depend on Node;
 * `main.ts` does.
 */
import type { Config } from "../config/config.ts";
import { sandboxPaths } from "../persist/paths.ts";
import type { TtrpcService } from "../protocol/ttrpc/service-table.ts";
import { abandonSandbox } from "../sandbox/abandon.ts";
import { Sandbox, type SandboxHost } from "../sandbox/sandbox.ts";
import { stopSandbox } from "../sandbox/stop.ts";
import { Timeline } from "../sandbox/timeline.ts";
import type { Listener, Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { ShimArguments } from "./arguments.ts";
import { serveConnection } from "./connection.ts";
import { ociService } from "./oci-service.ts";
import { Rest } from "./rest.ts";
import { taskServices } from "./task-service.ts";

/** The verb that starts a shim asks for the container at once. If no request comes, the verb is gone. */
const defaultCreateTimeoutMs = 20_000;
/** Time without a request after which the shim is at rest. Longer than the gap between a verb's requests. */
const restMs = 500;
/** While this call is in progress, the shim is never at rest. */
const creating = "CreateContainer";
/** Time for the last answers to be sent. */
const answersTimeoutMs = 2000;

export interface ShimOptions {
  readonly os: Os;
  readonly log: Logger;
  readonly config: Config;
  /** The configuration with the changes that a sandbox's annotations request. */
  readonly configFor: (annotations: Readonly<Record<string, string>>) => Promise<Config>;
  readonly listener: Listener;
  readonly arguments: ShimArguments;
  /** Kumite's version. */
  readonly version: string;
  /** When this process was started, on the monotonic clock. */
  readonly startMs: number;
  /** Resolves when the verb that started this process is dead; default: its death is not watched. */
  readonly starterGone?: Promise<void> | undefined;
  /** What the verb has made ahead for the sandbox; default: nothing. */
  readonly ahead?: SandboxHost["ahead"];
  /** Time for the request to create a container to arrive; default 20 000. */
  readonly createTimeoutMs?: number;
  /** Called after a while without requests. Returning `true` requests another call a while later. */
  readonly atRest?: () => boolean;
}

export class Shim {
  readonly sandbox: Sandbox;
  readonly #options: ShimOptions;
  readonly #services: readonly TtrpcService[];
  readonly #created: Deferred<void> = deferred();
  readonly #answers = new Set<Promise<void>>();
  readonly #rest: Rest | undefined;
  /** The verb that wanted the sandbox is gone, so nobody will delete it. */
  #orphaned = false;

  constructor(options: ShimOptions) {
    const { os, log, config, configFor, version, startMs } = options;
    const { root, id, bundle } = options.arguments;
    this.#options = options;
    if (options.atRest !== undefined) this.#rest = new Rest({ afterMs: restMs, act: options.atRest });
    const timeline = new Timeline(os.clock, startMs);
    timeline.mark("shim");
    const paths = sandboxPaths(root, id);
    this.sandbox = new Sandbox({ os, log, config, configFor, root, id, paths, timeline, ahead: options.ahead });
    const oci = ociService({
      sandbox: this.sandbox,
      version,
      bundle,
      startedMs: os.clock.now(),
      onCreate: () => this.#created.resolve(),
      onOrphaned: () => {
        this.#orphaned = true;
      },
    });
    this.#services = [oci, ...taskServices(this.sandbox, version)].map((service) => this.#counted(service));
  }

  /** Resolves when the sandbox has ended and all answers are sent. Never rejects. */
  async run(): Promise<void> {
    const { listener, log } = this.#options;
    void this.#accept();
    void this.#expectCreate();
    await this.sandbox.ended;
    await withDeadline(answersTimeoutMs, "the last answers", () => Promise.all(this.#answers)).catch(() => {});
    if (this.#orphaned) await this.#abandon();
    this.#rest?.end();
    await listener.close().catch((error: unknown) => log.warn(`the socket could not be removed: ${messageOf(error)}`));
  }

  /** Undoes everything, whatever is in progress. */
  async stop(): Promise<void> {
    await stopSandbox(this.sandbox);
  }

  /** After an internal fault the state is uncertain, but everything that was made can still be undone. */
  fail(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.#options.log.error(`internal error, the sandbox is stopped: ${messageOf(error)}`, { stack });
    void this.stop();
  }

  async #accept(): Promise<void> {
    const { listener, log } = this.#options;
    for await (const stream of listener) {
      void serveConnection(stream, { services: this.#services, sandbox: this.sandbox, log });
    }
  }

  /** Stops the sandbox if no create arrives because the verb is dead or stuck. */
  async #expectCreate(): Promise<void> {
    const { log, createTimeoutMs = defaultCreateTimeoutMs } = this.#options;
    try {
      const asked = Promise.race([this.#created.promise, this.sandbox.ended]);
      await withDeadline(createTimeoutMs, "waiting for the create request", () =>
        Promise.race([asked, this.#starterDeath()]),
      );
    } catch (error) {
      log.error(`no create request: ${messageOf(error)}`);
      this.#orphaned = true;
      await this.stop();
    }
  }

  /** Rejects when the verb dies. A request of the verb may still be in transit, but nobody needs its answer. */
  async #starterDeath(): Promise<never> {
    await (this.#options.starterGone ?? new Promise(() => {}));
    throw new KumiteError("shim/unreachable", "the command that started this process is dead");
  }

  async #abandon(): Promise<void> {
    const { log } = this.#options;
    log.warn("the caller of create is gone: the sandbox is removed");
    await abandonSandbox(this.sandbox.host).catch((error: unknown) => log.error(messageOf(error)));
  }

  /** Records the answers in progress, which `run` waits for at the end. */
  #counted({ name, methods }: TtrpcService): TtrpcService {
    const counted = [...methods].map(([method, call]) => {
      const wrapped: typeof call = (payload, context) => {
        const { answered } = context;
        this.#answers.add(answered);
        void answered.then(() => {
          this.#answers.delete(answered);
          this.#rest?.disturbed();
        });
        // During a create the shim often waits for the guest. That is not rest: work resumes in a moment.
        if (method === creating) void this.#rest?.during(answered);
        return call(payload, context);
      };
      return [method, wrapped] as const;
    });
    return { name, methods: new Map(counted) };
  }
}
