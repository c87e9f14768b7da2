/** Pauses and resumes a container. Waiting for its end and killing it work as before. */
import { type Container, requireState } from "./container.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";

/** Longer than the guest tries; if the guest gives up, nothing is paused. */
const callTimeoutMs = 15_000;

/**
 * Resolves when no process of the container runs any more.
 *
 * @throws KumiteError `container/wrong-state` if the container is not running
 */
export async function pauseContainer(sandbox: Sandbox, id: string): Promise<void> {
  const container = sandbox.container(id);
  const { process } = container;
  requireState(sandbox, container, "pause");
  const { agent } = sandbox.running().vm;
  await agent.pauseContainer({ containerId: id }, { timeoutMs: callTimeoutMs });
  // The container may have ended meanwhile.
  if (process.state.phase === "running") await enter(sandbox, container, "paused", process.state.startedMs);
}

/** @throws KumiteError `container/wrong-state` if the container is not paused */
export async function resumeContainer(sandbox: Sandbox, id: string): Promise<void> {
  const container = sandbox.container(id);
  const { process } = container;
  requireState(sandbox, container, "resume");
  const { agent } = sandbox.running().vm;
  await agent.resumeContainer({ containerId: id }, { timeoutMs: callTimeoutMs });
  if (process.state.phase === "paused") await enter(sandbox, container, "running", process.state.startedMs);
}

async function enter(
  sandbox: Sandbox,
  container: Container,
  phase: "running" | "paused",
  startedMs: number,
): Promise<void> {
  container.process.moveTo({ phase, startedMs });
  sandbox.host.log.info(`container ${phase === "paused" ? "paused" : "resumed"}`, { container: container.id });
  await recordContainer(sandbox, container);
}
