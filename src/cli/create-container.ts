/**
 * Creates a container, up to the state `created`, in a new sandbox or a running one. If any step fails, the caller's
 * scope removes everything that was made. Knows no verb.
 */
import type { ShimConnection } from "../shim-client/connect.ts";
import type { ChildProcess, WindowSize } from "../sys/os.ts";
import type { Scope } from "../util/scope.ts";
import { addContainer } from "./add-container.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";
import { createSandbox } from "./create-sandbox.ts";
import type { EngineRelay } from "./start-relay.ts";
import type { StartTimeline } from "./timeline/start-timeline.ts";

export interface CreationPlace {
  /** Size of the process's terminal. */
  readonly windowSize: WindowSize | undefined;
  /** Everything that is made is registered here for removal, until the scope is handed over. */
  readonly scope: Scope;
  readonly timeline: StartTimeline;
}

export interface CreatedContainer {
  readonly relay: ChildProcess;
  readonly engineRelay: EngineRelay;
  readonly shim: ShimConnection;
  /** Requested settings that have no effect. */
  readonly notices: readonly string[];
}

/** @throws KumiteError `container/exists`, `aborted`, and the errors of the part that failed */
export function createContainer(
  context: VerbContext,
  request: ContainerRequest,
  place: CreationPlace,
): Promise<CreatedContainer> {
  const { sandboxId } = request;
  return sandboxId === undefined
    ? createSandbox(context, request, place)
    : addContainer(context, request, sandboxId, place);
}
