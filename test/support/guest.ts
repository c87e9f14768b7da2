/** A VM with its agent and one container, for tests that look at a guest from inside, below bundles and verbs. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { AgentClient } from "../../src/agent-client/agent-client.ts";
import { connectAgent } from "../../src/agent-client/connect.ts";
import type { Driver, RunningVm, StartContext } from "../../src/hypervisor/driver.ts";
import type { MachinePlug } from "../../src/hypervisor/plug.ts";
import type { SharedDirectory, VmSpec } from "../../src/hypervisor/spec.ts";
import { defaultSpec } from "../../src/oci/default-spec.ts";
import { guestSharedDirectory } from "../../src/storage/guest-paths.ts";
import { makeTree } from "./bundle.ts";
import { testInstallRoot } from "./node-os.ts";

const bootTimeoutMs = 120_000;
const container = "looker";
const capabilities = ["CAP_MKNOD", "CAP_SYS_ADMIN"];
const privileged = {
  capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities, ambient: capabilities },
};

export class Guest implements AsyncDisposable {
  readonly vm: RunningVm;
  readonly agent: AgentClient;
  readonly plug: MachinePlug;
  #execs = 0;

  private constructor(vm: RunningVm, agent: AgentClient, plug: MachinePlug) {
    this.vm = vm;
    this.agent = agent;
    this.plug = plug;
  }

  /** `directory` has to be empty; `kernelModules` are loaded at the start. */
  static async start(
    driver: Driver,
    directory: string,
    changes: Partial<VmSpec>,
    kernelModules: readonly string[] = [],
  ): Promise<Guest> {
    const share: SharedDirectory = { tag: "kataShared", path: path.join(directory, "shared") };
    for (const name of ["vm", "shared"]) mkdirSync(path.join(directory, name));
    await makeTree(path.join(share.path, "rootfs"));
    const file = (name: string): string => path.join(testInstallRoot, name);
    const spec: VmSpec = {
      id: "guest-test",
      directory: path.join(directory, "vm"),
      vcpus: 1,
      memoryMiB: 512,
      guest: { kernel: file("vmlinux"), initrd: file("initrd.img"), agent: file("agent") },
      kernelParameters: [],
      sharedDirectories: [share],
      cgroups: [],
      ...changes,
    };
    const nothing = async (): Promise<void> => {};
    const { signal } = new AbortController();
    const context: StartContext = { willMake: nothing, made: nothing, signal, log: () => {} };
    const vm = await driver.start(spec, context);
    try {
      const agent = await connectAgent(vm.agentChannel, { signal, timeoutMs: bootTimeoutMs });
      if (vm.plug === undefined) throw new Error("nothing can be plugged into this machine");
      const guest = new Guest(vm, agent, vm.plug);
      await guest.#begin(share, kernelModules);
      return guest;
    } catch (error) {
      await vm.stop();
      throw new Error(`the console says:\n${vm.consoleTail(20).join("\n")}`, { cause: error });
    }
  }

  async #begin(share: SharedDirectory, kernelModules: readonly string[]): Promise<void> {
    const { options, ...storage } = this.vm.guestShare(share);
    await this.agent.createSandbox({
      sandboxId: "one",
      storages: [{ ...storage, options: [...options], mountPoint: guestSharedDirectory }],
      kernelModules: kernelModules.map((name) => ({ name, parameters: [] })),
    });
    const { process, linux, ...rest } = defaultSpec();
    const namespaces = (linux.namespaces ?? []).filter(({ type }) => type !== "network");
    await this.agent.createContainer({
      containerId: container,
      execId: container,
      ...this.agent.specFields({
        ...rest,
        process: {
          ...process,
          ...privileged,
          terminal: false,
          args: ["/bin/sh", "-c", "while :; do sleep 1000; done"],
        },
        root: { path: `${guestSharedDirectory}/rootfs` },
        linux: { ...linux, namespaces, maskedPaths: [], resources: { devices: [{ allow: true, access: "rwm" }] } },
      }),
    });
    await this.agent.startContainer({ containerId: container });
  }

  /** Runs a script that can see the VM's devices; returns its output without the final newline. */
  async sh(script: string): Promise<string> {
    this.#execs += 1;
    const execId = `look-${this.#execs}`;
    const { process } = defaultSpec();
    const document = {
      ...process,
      ...privileged,
      terminal: false,
      args: ["/bin/sh", "-c", script] as [string, ...string[]],
    };
    await this.agent.execProcess({ containerId: container, execId, ...this.agent.processFields(document) });
    const parts: Uint8Array[] = [];
    for (;;) {
      const { data } = await this.agent.readStdout({ containerId: container, execId, len: 65_536 });
      if (data.length === 0) break;
      parts.push(data);
    }
    const { status } = await this.agent.waitProcess({ containerId: container, execId });
    const text = Buffer.concat(parts).toString().trimEnd();
    if (status !== 0) throw new Error(`${script} ended with ${status}: ${text}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent.close();
    await this.vm.stop();
  }
}
