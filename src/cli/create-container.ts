/**
 * Makes a container up to the state `created`, in a sandbox of its own or in one that is there. Whatever fails on the way,
 * the caller's scope removes all of it. Knows no verb.
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
  /** Of the terminal that the process will be on. */
  readonly windowSize: WindowSize | undefined;
  /** Everything that is made is registered in it for removal; handed over, it stays. */
  readonly scope: Scope;
  readonly timeline: StartTimeline;
}

export interface CreatedContainer {
  readonly relay: ChildProcess;
  readonly engineRelay: EngineRelay;
  readonly shim: ShimConnection;
  /** What was asked for and is not done. */
  readonly notices: readonly string[];
}

/** @throws KumiteError `container/exists`, `aborted`, and of the part that failed */
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
