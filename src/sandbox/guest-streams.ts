/** The streams of a process in the guest. Each has its own port, on which the agent accepts one connection. */
import type { ByteStream } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import type { Vm } from "../vm/vm.ts";
import type { Sandbox } from "./sandbox.ts";
import type { GuestStreams, StdioName } from "./stdio.ts";

const dialTimeoutMs = 30_000;

export interface StreamPorts {
  readonly names: readonly StdioName[];
  /** As in CreateContainer and ExecProcess; 0 means no stream. */
  readonly fields: { readonly stdinPort: number; readonly stdoutPort: number; readonly stderrPort: number };
}

export function takePorts(sandbox: Sandbox, terminal: boolean): StreamPorts {
  return {
    names: terminal ? ["stdin", "stdout"] : ["stdin", "stdout", "stderr"],
    fields: {
      stdinPort: sandbox.takePort(),
      stdoutPort: sandbox.takePort(),
      stderrPort: terminal ? 0 : sandbox.takePort(),
    },
  };
}

/**
 * Call after the request that told the agent the ports. It is no error if the process has ended by then and takes no
 * input any more. After a failure no stream is left open.
 */
export async function connectStreams({ agent }: Vm, ports: StreamPorts, signal?: AbortSignal): Promise<GuestStreams> {
  const { stdinPort, stdoutPort, stderrPort } = ports.fields;
  const numbers: Readonly<Record<StdioName, number>> = { stdin: stdinPort, stdout: stdoutPort, stderr: stderrPort };
  const dials = ports.names.map((name) =>
    withDeadline(dialTimeoutMs, `connecting to ${name}`, (within) => agent.dial(numbers[name], within), signal),
  );
  const streams: { [Name in StdioName]?: ByteStream } = {};
  let failed: PromiseRejectedResult | undefined;
  for (const [index, result] of (await Promise.allSettled(dials)).entries()) {
    const name = ports.names[index] as StdioName;
    if (result.status === "fulfilled") streams[name] = result.value;
    else if (name !== "stdin") failed = result;
  }
  if (failed === undefined) return streams;
  for (const stream of Object.values(streams)) stream.close();
  throw failed.reason;
}
