/**
 * The messages of the agent protocol in both directions: a hostile guest's answers, as far as the host uses them, and a
 * hostile host's requests, as far as the agent reads them without executing them.
 */
import { specMessage } from "../../src/agent-client/oci-spec.ts";
import { checkId, jsonDocument } from "../../src/guest/rpc/request.ts";
import { readCgroupSettings } from "../../src/guest/spec/cgroup-settings.ts";
import { readContainer } from "../../src/guest/spec/container.ts";
import { readDeviceRules } from "../../src/guest/spec/device-rules.ts";
import { Fields } from "../../src/guest/spec/fields.ts";
import { processDocument, resourcesDocument, specDocument } from "../../src/guest/spec/from-messages.ts";
import { readMountOptions } from "../../src/guest/spec/mount-options.ts";
import { readProcess } from "../../src/guest/spec/process.ts";
import { readDiskName } from "../../src/guest/storage/disk-name.ts";
import { defaultSpec } from "../../src/oci/default-spec.ts";
import * as agent from "../../src/protocol/gen/kata/agent.ts";
import * as control from "../../src/protocol/gen/kata/control.ts";
import * as health from "../../src/protocol/gen/kata/health.ts";
import * as oci from "../../src/protocol/gen/kata/oci.ts";
import { readStats } from "../../src/sandbox/stats.ts";
import { statsJson } from "../../src/shim/stats-json.ts";
import { must, mustBeRefusal, type Target } from "../target.ts";

interface Codec {
  decode(input: Uint8Array): unknown;
  encode(message: never): { finish(): Uint8Array };
}

/** Each with the code that interprets it. */
const messages: readonly (readonly [Codec, ((message: never) => void)?])[] = [
  [
    control.StatsContainerResponse,
    (message: control.StatsContainerResponse) => void JSON.parse(statsJson(readStats(message))),
  ],
  [oci.Spec, (message: oci.Spec) => readSpec(specDocument(message))],
  [oci.Process, (message: oci.Process) => readFurther(processDocument(message))],
  [oci.LinuxResources, (message: oci.LinuxResources) => readLimits(resourcesDocument(message))],
  [agent.WaitProcessResponse],
  [agent.ReadStreamResponse],
  [agent.GuestDetailsResponse],
  [control.ListProcessesResponse],
  [agent.CreateContainerRequest, readCreate],
  [
    agent.ExecProcessRequest,
    ({ execId, kumiteOciJson }: agent.ExecProcessRequest) => {
      refusable(() => checkId(execId, "exec"));
      readJson(kumiteOciJson, readFurther);
    },
  ],
  [agent.CreateSandboxRequest, ({ storages }: agent.CreateSandboxRequest) => readStorages(storages)],
  [
    control.UpdateContainerRequest,
    ({ kumiteOciJson }: control.UpdateContainerRequest) => readJson(kumiteOciJson, readLimits),
  ],
  [agent.CopyFileRequest],
  [health.VersionCheckResponse],
];

export const agentMessages: Target = {
  name: "agent-messages",
  words: ["SCMP_ACT_ERRNO", "CAP_SYS_ADMIN", "RLIMIT_NOFILE", "network", "bind", "/dev/null"],
  seeds: () => [
    of(0, control.StatsContainerResponse.encode(statsExample())),
    of(1, oci.Spec.encode(oci.Spec.fromPartial(specMessage(defaultSpec()) as never))),
    of(
      2,
      oci.Process.encode(
        oci.Process.fromPartial({
          Args: ["sh"],
          Cwd: "/",
          User: { UID: 1 },
          Rlimits: [{ Type: "RLIMIT_NOFILE", Hard: 1n, Soft: 1n }],
        }),
      ),
    ),
    of(
      3,
      oci.LinuxResources.encode(
        oci.LinuxResources.fromPartial({ Memory: { Limit: 1n }, CPU: { Quota: 1n, Period: 2n } }),
      ),
    ),
    ...messages.slice(4).map((_, index) => Uint8Array.of(index + 4)),
    of(
      8,
      agent.CreateContainerRequest.encode(
        agent.CreateContainerRequest.fromPartial({
          containerId: "web",
          kumiteOciJson: JSON.stringify(defaultSpec()),
          storages: [{ driver: "blk", source: "02/01", options: ["ro", "size=1k"], mountPoint: "/run/x" }],
          devices: [{ id: "serial:1", type: "blk", containerPath: "/dev/x" }],
        }),
      ),
    ),
    of(
      9,
      agent.ExecProcessRequest.encode(
        agent.ExecProcessRequest.fromPartial({ execId: "e", kumiteOciJson: JSON.stringify(defaultSpec().process) }),
      ),
    ),
    of(
      11,
      control.UpdateContainerRequest.encode(
        control.UpdateContainerRequest.fromPartial({
          kumiteOciJson: '{"memory":{"limit":1},"cpu":{"quota":1,"period":2},"devices":[{"allow":true,"access":"r"}]}',
        }),
      ),
    ),
  ],
  run(input) {
    const [codec, use] = messages[(input[0] ?? 0) % messages.length] ?? [];
    if (codec === undefined) return;
    let message: unknown;
    try {
      message = codec.decode(input.subarray(1));
    } catch {
      // The caller of the decoder turns this into a refusal of the call.
      return;
    }
    const encoded = codec.encode(message as never).finish();
    const again = codec.encode(codec.decode(encoded) as never).finish();
    must(Buffer.compare(encoded, again) === 0, "what was read is written and read again as the same");
    use?.(message as never);
  },
};

/** What the agent decodes of a request before it does anything. */
function readCreate({ containerId, kumiteOciJson, storages, devices }: agent.CreateContainerRequest): void {
  refusable(() => checkId(containerId, "container"));
  readJson(kumiteOciJson, readSpec);
  readStorages(storages);
  for (const { id, vmPath } of devices) refusable(() => readDiskName(vmPath === "" ? id : vmPath));
}

function readStorages(storages: readonly agent.Storage[]): void {
  for (const { source, options } of storages) {
    refusable(() => readMountOptions(options));
    refusable(() => readDiskName(source));
  }
}

function readSpec(document: unknown): void {
  refusable(() => readContainer(document, "web"));
}

function readFurther(document: unknown): void {
  refusable(() => readProcess(new Fields(document, "process"), () => {}));
}

function readLimits(document: unknown): void {
  refusable(() => {
    const resources = new Fields(document, "linux.resources");
    readCgroupSettings(resources, { notApplied: () => {}, current: () => "max" });
    readDeviceRules(resources);
  });
}

function readJson(text: string, read: (document: unknown) => void): void {
  refusable(() => {
    const document = jsonDocument(text);
    if (document !== undefined) read(document);
  });
}

function refusable(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    mustBeRefusal(error, "oci/spec-invalid", "oci/unsupported", "container/bad-id", "usage/invalid");
  }
}

function statsExample(): control.StatsContainerResponse {
  const usage = { usage: 1n, maxUsage: 2n, failcnt: 3n, limit: 4n };
  return control.StatsContainerResponse.fromPartial({
    cgroupStats: {
      cpuStats: { cpuUsage: { totalUsage: 1n, percpuUsage: [1n] }, throttlingData: { periods: 1n } },
      memoryStats: { cache: 1n, usage, swapUsage: usage, kernelUsage: usage, stats: new Map([["anon", 1n]]) },
      pidsStats: { current: 1n, limit: 2n },
      blkioStats: { ioServiceBytesRecursive: [{ major: 8n, minor: 0n, op: "Read", value: 1n }] },
      hugetlbStats: new Map([["2MB", { usage: 1n, maxUsage: 2n, failcnt: 0n }]]),
    },
    networkStats: [{ name: "eth0", rxBytes: 1n }],
  });
}

function of(kind: number, message: { finish(): Uint8Array }): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(kind), message.finish()]));
}
