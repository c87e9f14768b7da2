/**
 * Starts programs through `kumite-launch`, which does what Node cannot between fork and exec: it joins cgroups and
 * namespaces, binds sockets, and closes all other descriptors.
 */
import { type ChildProcess as NodeChild, spawn as spawnChild } from "node:child_process";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { deferred } from "../../util/deferred.ts";
import { SystemError } from "../../util/errors.ts";
import { encodeLatin1 } from "../../util/text.ts";
import { launched } from "../launch/outcome.ts";
import { type LaunchDescriptor, type LaunchRequest, launcherName } from "../launch/request.ts";
import type { ByteStream, ChildProcess, Descriptor, ExitStatus, SpawnRequest } from "../os.ts";
import { startTicksOf } from "./process-table.ts";
import { SocketStream } from "./socket-stream.ts";
import { toSystemError } from "./system-error.ts";

export interface Spawned extends ChildProcess {
  /** Whether the child and its streams keep this process running; initially they do. */
  keepAlive(on: boolean): void;
}

/** Longer requests are sent through a pipe, since one argument of execve(2) is limited to 128 KiB. */
const maxRequestArgumentBytes = 100 * 1024;

/** Implements `Processes.spawn`. `launcher` is the install root's `kumite`. */
export async function spawn(launcher: string, request: SpawnRequest): Promise<Spawned> {
  const plan = planLaunch(request);
  const child = await start(launcher, plan, request.env);
  const exited = exitOf(child);
  const pid = child.pid as number;
  const startTicks = startTicksOf(pid);
  const streams = new Map<number, ByteStream>();
  for (const [number, at] of plan.streams) streams.set(number, new SocketStream(child.stdio[at] as Socket));
  for (const [number, stream] of streams) void say(stream, request.descriptors[number]);
  try {
    await plan.send(child);
    await launched(new SocketStream(child.stdio[plan.status] as Socket));
  } catch (error) {
    child.kill("SIGKILL");
    for (const stream of streams.values()) stream.close();
    await exited;
    throw error;
  }
  return {
    pid,
    startTicks,
    streams,
    exited,
    kill: (signal) => kill(child, child.pid, signal),
    killGroup: (signal) => kill(child, child.pid && -child.pid, signal),
    keepAlive: (on) => keepAlive(child, on),
  };
}

/** Errors are ignored: that the program has ended is detected elsewhere. */
async function say(stream: ByteStream, descriptor: Descriptor | undefined): Promise<void> {
  if (descriptor?.kind !== "stream" || descriptor.said === undefined) return;
  await stream.write(encodeLatin1(descriptor.said)).catch(() => {});
}

interface LaunchPlan {
  readonly argv: string[];
  readonly stdio: ("ignore" | "pipe" | number)[];
  /** Maps a descriptor of the program to an index in `stdio`. */
  readonly streams: ReadonlyMap<number, number>;
  /** Index of the status pipe in `stdio`. */
  readonly status: number;
  /** Sends what the arguments do not contain. */
  send(child: NodeChild): Promise<void>;
}

/** This process's descriptors get numbers from 3 on in the launcher; the request says where they go in the program. */
function planLaunch(request: SpawnRequest): LaunchPlan {
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "ignore", "ignore"];
  const streams = new Map<number, number>();
  const descriptors: Record<number, LaunchDescriptor> = {};
  for (const [key, descriptor] of Object.entries(request.descriptors)) {
    const number = Number(key);
    if (descriptor.kind === "stream") streams.set(number, stdio.length);
    descriptors[number] = toLaunch(descriptor, stdio);
  }
  const status = stdio.push("pipe") - 1;
  const { env: _, ...rest } = request;
  const whole: LaunchRequest = { ...rest, descriptors, status, parentPid: process.pid };
  const text = JSON.stringify(whole);
  if (Buffer.byteLength(text) <= maxRequestArgumentBytes) {
    return { argv: [text], stdio, streams, status, send: async () => {} };
  }
  const pipe = stdio.push("pipe") - 1;
  return { argv: [`fd:${pipe}`], stdio, streams, status, send: (child) => sendText(child.stdio[pipe] as Socket, text) };
}

function toLaunch(descriptor: Descriptor, stdio: ("ignore" | "pipe" | number)[]): LaunchDescriptor {
  switch (descriptor.kind) {
    case "stream":
      return { kind: "inherit", fd: stdio.push("pipe") - 1 };
    case "inherit":
      return { kind: "inherit", fd: stdio.push(descriptor.fd) - 1 };
    case "null":
    case "listen":
    case "append":
    case "read":
    case "readWrite":
    case "connect":
    case "tap":
      return descriptor;
  }
}

/** Resolves in the same turn of the event loop, so Node cannot have reaped the child yet. */
async function start(launcher: string, plan: LaunchPlan, env: SpawnRequest["env"]): Promise<NodeChild> {
  try {
    // The launcher passes on its own environment: unlike arguments, other users cannot read it.
    const child = spawnChild(launcher, plan.argv, { argv0: launcherName, env: { ...env }, stdio: plan.stdio });
    if (child.pid === undefined) await new Promise((_, reject) => child.once("error", reject));
    return child;
  } catch (error) {
    throw toSystemError(error, "spawn", launcher);
  }
}

async function sendText(socket: Socket, text: string): Promise<void> {
  const stream = new SocketStream(socket);
  try {
    await stream.write(Buffer.from(text));
  } finally {
    stream.close();
  }
}

function exitOf(child: NodeChild): Promise<ExitStatus> {
  const exited = deferred<ExitStatus>();
  child.once("exit", (status, signal) => {
    if (signal === null) exited.resolve({ kind: "exited", status: status ?? 0 });
    else exited.resolve({ kind: "signalled", signal: constants.signals[signal] });
  });
  return exited.promise;
}

/**
 * Signals the child only while Node has not reaped it, because after that the pid may belong to another process. A
 * negative pid is a group.
 */
function kill(child: NodeChild, pid: number | undefined, signal: number): void {
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    const translated = toSystemError(error, "kill", String(pid));
    if (!(translated instanceof SystemError && translated.errno === "ESRCH")) throw translated;
  }
}

function keepAlive(child: NodeChild, on: boolean): void {
  if (on) child.ref();
  else child.unref();
  for (const stream of child.stdio) {
    // Streams after the first three are sockets, although the types do not say so.
    const socket = stream as Socket | null | undefined;
    // A closed socket would remember the call until it connects, which never happens.
    if (socket?.destroyed === true) continue;
    if (on) socket?.ref();
    else socket?.unref();
  }
}
