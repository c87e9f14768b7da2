/** Containers and processes for tests, with their streams on ports. */
import type { OciProcess, OciSpec } from "../../oci/spec.ts";
import { textOf } from "../../sys/contract/scratch.ts";
import type { ByteStream } from "../../sys/os.ts";
import { encodeUtf8 } from "../../util/text.ts";
import type { TestAgent } from "./agent.testing.ts";
import { type SpecChanges, specOf } from "./spec.testing.ts";

let nextPort = 0x10000;
let nextId = 1;

export function freshId(): string {
  return `c${nextId++}`;
}

export function freshPorts(): { stdinPort: number; stdoutPort: number; stderrPort: number } {
  return { stdinPort: nextPort++, stdoutPort: nextPort++, stderrPort: nextPort++ };
}

/** With a terminal, errors come with the output. */
function portsFor(terminal: boolean | undefined): ReturnType<typeof freshPorts> {
  return terminal === true ? { ...freshPorts(), stderrPort: 0 } : freshPorts();
}

/** One process and the host's ends of its streams. With a terminal, stderr is closed. */
export class TestProcess {
  readonly #agent: TestAgent;
  readonly containerId: string;
  readonly execId: string;
  readonly stdin: ByteStream;
  readonly stdout: ByteStream;
  readonly stderr: ByteStream;

  constructor(agent: TestAgent, containerId: string, execId: string, streams: readonly ByteStream[]) {
    const [stdin, stdout, stderr] = streams as [ByteStream, ByteStream, ByteStream];
    this.#agent = agent;
    this.containerId = containerId;
    this.execId = execId;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  async status(): Promise<number> {
    const { containerId, execId } = this;
    return (await this.#agent.client.waitProcess({ containerId, execId })).status;
  }

  /** Everything the process prints until both streams end, and its exit status. */
  async finish(input = ""): Promise<{ out: string; err: string; status: number }> {
    if (input !== "") await this.stdin.write(encodeUtf8(input));
    await this.stdin.end();
    const [out, err] = await Promise.all([textOf(this.stdout), textOf(this.stderr)]);
    return { out, err, status: await this.status() };
  }
}

export async function createContainer(agent: TestAgent, spec: OciSpec, id = freshId()): Promise<TestProcess> {
  const ports = portsFor(spec.process?.terminal);
  await agent.client.createContainer({ containerId: id, execId: id, ...agent.client.specFields(spec), ...ports });
  return new TestProcess(agent, id, id, await dial(agent, ports));
}

export async function startContainer(agent: TestAgent, spec: OciSpec, id = freshId()): Promise<TestProcess> {
  const process = await createContainer(agent, spec, id);
  await agent.client.startContainer({ containerId: process.containerId });
  return process;
}

export async function execIn(
  agent: TestAgent,
  containerId: string,
  process: OciProcess,
  execId = freshId(),
): Promise<TestProcess> {
  const ports = portsFor(process.terminal);
  await agent.client.execProcess({ containerId, execId, ...agent.client.processFields(process), ...ports });
  return new TestProcess(agent, containerId, execId, await dial(agent, ports));
}

export async function removeContainer(agent: TestAgent, containerId: string): Promise<void> {
  await agent.client.removeContainer({ containerId });
}

/** Runs a new container until it ends, and removes it. */
export async function run(agent: TestAgent, script: string, changes: SpecChanges = {}, input = "") {
  const process = await startContainer(agent, specOf(["sh", "-c", script], changes));
  const result = await process.finish(input);
  await removeContainer(agent, process.containerId);
  return result;
}

function dial(agent: TestAgent, ports: ReturnType<typeof freshPorts>): Promise<ByteStream[]> {
  const open = (port: number) => (port === 0 ? Promise.resolve(closedStream) : agent.client.dial(port));
  return Promise.all([ports.stdinPort, ports.stdoutPort, ports.stderrPort].map(open));
}

const closedStream: ByteStream = {
  read: async () => undefined,
  write: async () => {},
  end: async () => {},
  close: () => {},
};
