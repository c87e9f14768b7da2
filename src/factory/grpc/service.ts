/**
 * The gRPC service of the VM cache, with the methods and messages of Kata Containers, on a Unix socket that only root
 * can open.
 */
import { chmodSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import type { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import {
  CacheServiceDefinition,
  type GrpcStatus,
  type GrpcVM,
  type GrpcVMConfig,
} from "../../protocol/gen/kata/cache.ts";
import { messageOf } from "../../util/errors.ts";
import { type CachedShim, readyMachine } from "../cache/protocol.ts";

/** What the service needs of the server. */
export interface CacheHost {
  /** The configuration of the VMs and of their agents, as JSON. */
  config(): { readonly machine: string; readonly agent: string };
  /** @throws KumiteError if no VM is ready */
  take(): CachedShim;
  machines(): readonly CachedShim[];
  quit(): void;
}

interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

type Handler<T> = () => T;

/** Resolves when the service listens; the directory must exist. The result stops it. */
export async function serveCache(host: CacheHost, socket: string): Promise<() => void> {
  const server = new grpc.Server();
  const { methods, fullName } = CacheServiceDefinition;
  const handlers = {
    config: (): GrpcVMConfig => {
      const { machine, agent } = host.config();
      return { Data: Buffer.from(machine), AgentConfig: Buffer.from(agent) };
    },
    getBaseVM: (): GrpcVM => vmOf(host.take()),
    status: (): GrpcStatus => ({
      pid: BigInt(process.pid),
      vmstatus: host
        .machines()
        .map(readyMachine)
        .map(({ pid, vcpus, memoryMiB }) => ({ pid: BigInt(pid), cpu: vcpus, memory: memoryMiB })),
    }),
    quit: (): Empty => {
      host.quit();
      return {};
    },
  };
  const definition: Record<string, grpc.MethodDefinition<object, object>> = {};
  const implementation: Record<string, grpc.UntypedHandleCall> = {};
  for (const key of Object.keys(methods) as (keyof typeof methods)[]) {
    const { name, requestType, responseType } = methods[key];
    definition[key] = methodOf(
      `/${fullName}/${name}`,
      requestType as MessageType<object>,
      responseType as MessageType<object>,
    );
    implementation[key] = unary(handlers[key]);
  }
  server.addService(definition as grpc.ServiceDefinition, implementation);
  // Bound with a restrictive umask, so that the socket never exists with wider permissions.
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  } finally {
    process.umask(umask);
  }
  chmodSync(socket, 0o600);
  return () => server.forceShutdown();
}

function methodOf(
  path: string,
  request: MessageType<object>,
  response: MessageType<object>,
): grpc.MethodDefinition<object, object> {
  const serialize = (type: MessageType<object>) => (message: object) => Buffer.from(type.encode(message).finish());
  const deserialize = (type: MessageType<object>) => (bytes: Buffer) => type.decode(bytes);
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize(request),
    requestDeserialize: deserialize(request),
    responseSerialize: serialize(response),
    responseDeserialize: deserialize(response),
  };
}

function unary<T extends object>(handler: Handler<T>): grpc.handleUnaryCall<object, T> {
  return (_call, answer) => {
    try {
      answer(null, handler());
    } catch (error) {
      answer({ code: grpc.status.UNAVAILABLE, details: messageOf(error) });
    }
  };
}

/** The client reaches the VM through its shim, so the usual state is extended by the shim's pid and socket. */
function vmOf({ vm, shim, socket }: CachedShim): GrpcVM {
  const hypervisor = { ...(JSON.parse(vm.hypervisor) as object), Shim: { pid: shim.pid, socket } };
  return { ...vm, hypervisor: Buffer.from(JSON.stringify(hypervisor)), proxyPid: 0n, proxyURL: "" };
}
