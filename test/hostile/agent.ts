/**
 * An agent that lies: a program that replaces the real agent, bundled and started by the tests of this directory. Where
 * it is honest it speaks the protocols with the product's own code.
 */
import { Socket } from "node:net";
import { CreateContainerRequest, ExecProcessRequest, WaitProcessResponse } from "../../src/protocol/gen/kata/agent.ts";
import { AgentServiceDefinition } from "../../src/protocol/gen/kata/agent-service.ts";
import { VersionCheckResponse } from "../../src/protocol/gen/kata/health.ts";
import { PortAcceptor } from "../../src/protocol/port/port-acceptor.ts";
import { serve } from "../../src/protocol/ttrpc/server.ts";
import type { RawMethod, TtrpcService } from "../../src/protocol/ttrpc/service-table.ts";
import { YamuxSession } from "../../src/protocol/yamux/session.ts";
import { SocketStream } from "../../src/sys/node/socket-stream.ts";
import type { ByteStream } from "../../src/sys/os.ts";
import { deferred } from "../../src/util/deferred.ts";
import { type Lie, lies } from "./lies.ts";

const channelDescriptor = 3;
const agentPort = 1024;

/** What a lie may use. */
export interface Honest {
  /** Carries everything that the agent writes. */
  readonly socket: Socket;
  readonly carrier: ByteStream;
  /** Streams of the container's first process; each resolves when the host has dialled it. */
  readonly streams: Readonly<Record<"stdin" | "stdout" | "stderr", Promise<ByteStream>>>;
}

const empty = new Uint8Array(0);

class Agent {
  readonly #acceptor = new PortAcceptor();
  readonly #lie: Lie;
  readonly #socket = new Socket({ fd: channelDescriptor });
  readonly #carrier = new SocketStream(this.#socket);
  /** Resolves when the host asks for the container's start; the container does not end before that. */
  readonly #started = deferred();
  #resolveStreams: ((ports: readonly number[]) => void) | undefined;
  readonly #streams: Honest["streams"];

  constructor(lie: Lie) {
    this.#lie = lie;
    const ports = new Promise<readonly number[]>((resolve) => {
      this.#resolveStreams = resolve;
    });
    const stream = async (index: number): Promise<ByteStream> => {
      const port = (await ports)[index] ?? 0;
      return this.#acceptor.next(port);
    };
    this.#streams = { stdin: stream(0), stdout: stream(1), stderr: stream(2) };
  }

  async run(): Promise<void> {
    const honest: Honest = { socket: this.#socket, carrier: this.#carrier, streams: this.#streams };
    if (this.#lie.instead !== undefined) return this.#lie.instead(honest);
    const session = new YamuxSession(this.#carrier, { role: "server" });
    this.#acceptor.listen(agentPort, (stream) => this.#serve(stream, honest));
    void this.#lie.beside?.(honest);
    for (let stream = await session.accept(); stream !== undefined; stream = await session.accept()) {
      void this.#acceptor.accept(stream);
    }
  }

  #serve(stream: ByteStream, honest: Honest): void {
    if (this.#lie.onAgentPort !== undefined) void this.#lie.onAgentPort(stream);
    else serve(stream, [this.#agentService(honest), healthService]);
  }

  #agentService(honest: Honest): TtrpcService {
    const answers: Record<string, RawMethod> = {
      CreateContainer: async (payload) => this.#takePorts(CreateContainerRequest.decode(payload)),
      ExecProcess: async (payload) => this.#takePorts(ExecProcessRequest.decode(payload)),
      StartContainer: async () => {
        this.#started.resolve();
        return empty;
      },
      WaitProcess: async () => {
        await this.#started.promise;
        if (this.#lie.beforeExit === undefined) await this.#endOutput();
        else await this.#lie.beforeExit(honest);
        return WaitProcessResponse.encode({ status: this.#lie.status ?? 0 }).finish();
      },
      GetOOMEvent: () => new Promise(() => {}),
    };
    const names = Object.values(AgentServiceDefinition.methods).map(({ name }) => name);
    const methods = names.map((name): [string, RawMethod] => [
      name,
      this.#lie.answers?.[name] ?? answers[name] ?? (async () => empty),
    ]);
    return { name: "grpc.AgentService", methods: new Map(methods) };
  }

  /** As for a process that has ended. */
  async #endOutput(): Promise<void> {
    for (const stream of [await this.#streams.stdout, await this.#streams.stderr]) await stream.end();
  }

  #takePorts({ stdinPort, stdoutPort, stderrPort }: { stdinPort: number; stdoutPort: number; stderrPort: number }) {
    this.#resolveStreams?.([stdinPort, stdoutPort, stderrPort]);
    return empty;
  }
}

const healthService: TtrpcService = {
  name: "grpc.Health",
  methods: new Map([
    ["Version", async () => VersionCheckResponse.encode({ grpcVersion: "0.0.1", agentVersion: "6.6.6" }).finish()],
  ]),
};

const lie = lies[process.env.KUMITE_TEST_LIE ?? ""];
if (lie === undefined) throw new Error("no such lie");
// Whatever the host does, the agent runs until it is killed.
process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});
setInterval(() => {}, 1000);
await new Agent(lie).run();
