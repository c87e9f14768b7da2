/**
 * A shim's life: it serves its socket, makes one sandbox when it is asked to, and ends with it. Knows nothing of the
 * runtime it runs on; `main.ts` does.
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

/** The command that starts a shim asks for the container at once; without it the shim is nobody's. */
const defaultCreateTimeoutMs = 20_000;
/** Without a request, until the shim counts as being at rest: not between two requests of one verb or engine. */
const restMs = 500;
/** The call during which there is none. */
const creating = "CreateContainer";
/** For the last answers to leave. */
const answersTimeoutMs = 2000;

export interface ShimOptions {
  readonly os: Os;
  readonly log: Logger;
  readonly config: Config;
  /** The configuration as the annotations of a sandbox change it. */
  readonly configFor: (annotations: Readonly<Record<string, string>>) => Promise<Config>;
  readonly listener: Listener;
  readonly arguments: ShimArguments;
  /** Of Kumite. */
  readonly version: string;
  /** When this process was started, on the monotonic clock. */
  readonly startMs: number;
  /** Resolves when the command is dead that started this process; default: it is not watched. */
  readonly starterGone?: Promise<void> | undefined;
  /** What the command has made ahead for the sandbox; default: nothing. */
  readonly ahead?: SandboxHost["ahead"];
  /** For the request to create a container to arrive; default 20 000. */
  readonly createTimeoutMs?: number;
  /** Called when nothing was asked for a while after something was; `true` asks for another call a while later. */
  readonly atRest?: () => boolean;
}

export class Shim {
  readonly sandbox: Sandbox;
  readonly #options: ShimOptions;
  readonly #services: readonly TtrpcService[];
  readonly #created: Deferred<void> = deferred();
  readonly #answers = new Set<Promise<void>>();
  readonly #rest: Rest | undefined;
  /** Whoever wanted the sandbox is gone, and nobody will delete it. */
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

  /** Resolves when the sandbox has ended and nothing is left to answer. Never rejects. */
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

  /** Undoes everything, whatever is going on. */
  async stop(): Promise<void> {
    await stopSandbox(this.sandbox);
  }

  /** After an internal fault: nothing is certain any more, but what was made can be undone. */
  fail(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.#options.log.error(`internal fault, the sandbox is stopped: ${messageOf(error)}`, { stack });
    void this.stop();
  }

  async #accept(): Promise<void> {
    const { listener, log } = this.#options;
    for await (const stream of listener) {
      void serveConnection(stream, { services: this.#services, sandbox: this.sandbox, log });
    }
  }

  /** Nobody came: whoever started us is dead or stuck. */
  async #expectCreate(): Promise<void> {
    const { log, createTimeoutMs = defaultCreateTimeoutMs } = this.#options;
    try {
      const asked = Promise.race([this.#created.promise, this.sandbox.ended]);
      await withDeadline(createTimeoutMs, "a request", () => Promise.race([asked, this.#starterDeath()]));
    } catch (error) {
      log.error(`no caller: ${messageOf(error)}`);
      this.#orphaned = true;
      await this.stop();
    }
  }

  /** Its last request may still be on its way to us: nothing is lost then, since it would have no use for an answer. */
  async #starterDeath(): Promise<never> {
    await (this.#options.starterGone ?? new Promise(() => {}));
    throw new KumiteError("shim/unreachable", "the command that started this process is dead");
  }

  async #abandon(): Promise<void> {
    const { log } = this.#options;
    log.warn("the caller of create is gone: the sandbox is removed");
    await abandonSandbox(this.sandbox.host).catch((error: unknown) => log.error(messageOf(error)));
  }

  /** Its answers are waited for at the end. */
  #counted({ name, methods }: TtrpcService): TtrpcService {
    const counted = [...methods].map(([method, call]) => {
      const wrapped: typeof call = (payload, context) => {
        const { answered } = context;
        this.#answers.add(answered);
        void answered.then(() => {
          this.#answers.delete(answered);
          this.#rest?.disturbed();
        });
        // What waits for the guest is no rest: it goes on in a moment.
        if (method === creating) void this.#rest?.during(answered);
        return call(payload, context);
      };
      return [method, wrapped] as const;
    });
    return { name, methods: new Map(counted) };
  }
}
