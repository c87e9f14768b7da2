/**
 * Boots one VM and times containers in it at the agent, without verbs, shim or relay. It is a separate program, because
 * it keeps a helper process until it ends. Prints the samples in ms as a JSON array.
 *
 *   guest-worker.ts INSTALL_ROOT DIRECTORY ROUNDS
 *
 * DIRECTORY contains `share/rootfs` and `config.json`.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { AgentClient } from "../src/agent-client/agent-client.ts";
import { loadConfig } from "../src/config/load.ts";
import type { StartContext } from "../src/hypervisor/driver.ts";
import type { OciSpec } from "../src/oci/spec.ts";
import { guestSharedDirectory, sharedTag } from "../src/storage/guest-paths.ts";
import { nodeOs } from "../src/sys/node/node-os.ts";
import { startVm } from "../src/vm/start-vm.ts";

const deadlineMs = 180_000;

async function main(installRoot: string, directory: string, rounds: number): Promise<void> {
  const os = nodeOs({ installRoot });
  const config = await loadConfig(os, { installRoot });
  const share = { tag: sharedTag, path: path.join(directory, "share") };
  const request = { id: "bench-guest", directory, sharedDirectories: [share], cgroups: [] };
  const vm = await startVm(os, config, request, quietly(AbortSignal.timeout(deadlineMs)));
  try {
    const storage = { ...vm.machine.guestShare(share), mountPoint: guestSharedDirectory, options: [] };
    await vm.agent.createSandbox({ hostname: "bench", sandboxId: request.id, storages: [storage] });
    const spec = forGuest(JSON.parse(await readFile(path.join(directory, "config.json"), "utf8")) as OciSpec);
    const samples: number[] = [];
    for (let round = 0; round < rounds; round++) samples.push(await createAndStart(vm.agent, spec, `c${round}`));
    process.stdout.write(JSON.stringify(samples));
  } finally {
    await vm.stop();
  }
}

/** As a sandbox passes it on: without a network namespace, since the VM has the network to itself. */
function forGuest(spec: OciSpec): OciSpec {
  const namespaces = (spec.linux?.namespaces ?? []).filter(({ type }) => type !== "network");
  return { ...spec, linux: { ...spec.linux, namespaces } };
}

async function createAndStart(agent: AgentClient, spec: OciSpec, containerId: string): Promise<number> {
  const root = { path: `${guestSharedDirectory}/rootfs`, readonly: false };
  const began = performance.now();
  await agent.createContainer({ containerId, execId: containerId, ...agent.specFields({ ...spec, root }) });
  await agent.startContainer({ containerId });
  const tookMs = performance.now() - began;
  await agent.waitProcess({ containerId, execId: containerId });
  await agent.removeContainer({ containerId, timeout: 0 });
  return tookMs;
}

/** Everything that is made is a child of this process and ends with it, so no journal is needed. */
function quietly(signal: AbortSignal): StartContext {
  return { willMake: async () => {}, made: async () => {}, signal, log: () => {} };
}

const [installRoot = "", directory = "", rounds = ""] = process.argv.slice(2);
await main(installRoot, directory, Number(rounds));
process.exit();
