/**
 * Adds a container to a sandbox whose VM is running. If this fails for any reason, nothing of the container is left in
 * the guest, the host is as it was before, and the other containers in the sandbox are not affected.
 */
import { containerPaths } from "../persist/paths.ts";
import { linked } from "../util/abort.ts";
import { KumiteError, messageWithCauses } from "../util/errors.ts";
import { type ContainerPlace, sandboxStateOf } from "./container.ts";
import { requireSharing } from "./file-sharing.ts";
import { releaseJournal, takeJournalOf } from "./host-resources.ts";
import { leaveSandbox } from "./leave.ts";
import { type Created, type CreateRequest, makeContainer } from "./make-container.ts";
import { plugDisks } from "./plug-disks.ts";
import type { Sandbox } from "./sandbox.ts";
import { Timeline } from "./timeline.ts";

/** @throws KumiteError `container/wrong-state`, `container/exists`, or the error of the step that failed */
export async function addContainer(sandbox: Sandbox, request: CreateRequest, signal: AbortSignal): Promise<Created> {
  const { id } = request;
  refuseWrongState(sandbox, id);
  if (sandbox.containers.has(id) || sandbox.additions.has(id)) {
    throw new KumiteError("container/exists", `container ${id} already exists`, { data: { id } });
  }
  const life = linked(signal);
  const work = add(sandbox, request, life.signal).finally(() => {
    life.unlink();
    sandbox.additions.delete(id);
  });
  const done = work.then(nothing, nothing);
  sandbox.additions.set(id, { abort: life.abort, done });
  return work;
}

/** "ready" is accepted too: the containers of a pod may be created before the first one is started. */
function refuseWrongState(sandbox: Sandbox, id: string): void {
  const state = sandboxStateOf(sandbox);
  if (state === "ready" || state === "running") return;
  const { id: sandboxId } = sandbox.host;
  throw new KumiteError(
    "container/wrong-state",
    `container ${id} cannot be added: sandbox ${sandboxId} is not running`,
    {
      data: { id, sandbox: sandboxId, state },
    },
  );
}

async function add(sandbox: Sandbox, request: CreateRequest, signal: AbortSignal): Promise<Created> {
  const { os, root, id: sandboxId, log } = sandbox.host;
  const { id } = request;
  const { tree } = sandbox.running();
  const paths = containerPaths(root, id);
  const onHost = await takeJournalOf(os, paths, sandboxId);
  const place: ContainerPlace = { paths, onHost, timeline: new Timeline(os.clock, os.clock.monotonic()) };
  try {
    return await makeContainer(
      sandbox,
      request,
      place,
      async (container, share, disks, plan) => {
        requireSharing(sandbox, container, plan);
        await share(tree, onHost.journal);
        const made = await disks(onHost.journal);
        // The guest reads a disk as soon as it is plugged in, so its content must be complete.
        await made.filled;
        await plugDisks(sandbox, container, made.disks, signal);
        return { informed: Promise.resolve() };
      },
      signal,
    );
  } catch (error) {
    log.error(`the container was not created: ${messageWithCauses(error)}`, { container: id, phase: "create" });
    const container = sandbox.containers.get(id);
    if (container === undefined) await releaseJournal(onHost, log);
    else await leaveSandbox(sandbox, container);
    throw error;
  }
}

function nothing(): void {}
