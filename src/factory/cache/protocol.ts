/**
 * How programs of ours speak to the server of the VM cache and to what it keeps: one line of JSON each way, on a unix
 * socket of root's alone. Verbs run on the small engine, which has no HTTP/2; the gRPC service has the same under the names
 * of Kata Containers. Both ends are here.
 */
import { socketDirectory } from "../../persist/paths.ts";
import type { Os, ProcessId } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { fromWire, type WireVm } from "../../vm/wire.ts";

/** One server on a host: who wants a machine finds it without reading a configuration. */
export const cacheSocket = `${socketDirectory}/cache`;

export const maxCacheLine = 256 * 1024;

export type CacheRequest =
  /** `config` is the file of `--config`; the machine must be what that file says now. */
  | { readonly ask: "take"; readonly config: string | null; readonly overrides: readonly string[] }
  | { readonly ask: "status" }
  | { readonly ask: "quit" };

/** A shim whose machine is up and that has no sandbox yet. */
export interface CachedShim {
  readonly name: string;
  readonly shim: ProcessId;
  /** Where it waits to be told whose it is. */
  readonly socket: string;
  readonly vm: WireVm;
}

/** A machine that is ready, as it is shown. `pid` is the VMM's. */
export interface ReadyMachine {
  readonly pid: number;
  readonly vcpus: number;
  readonly memoryMiB: number;
}

export interface CacheStatus {
  /** Of the server. */
  readonly pid: number;
  /** How many it is to keep. */
  readonly wanted: number;
  /** Those that are ready. */
  readonly machines: readonly ReadyMachine[];
}

export type CacheAnswer =
  | { readonly machine: CachedShim }
  | { readonly none: string }
  | { readonly status: CacheStatus }
  | { readonly quitting: true };

/** What a cached shim becomes. */
export interface Adoption {
  readonly root: string;
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  readonly debug: boolean;
  readonly logFormat: "text" | "json";
  /** Of the sandbox, for the shim and its machine. */
  readonly cgroups: readonly string[];
  /** Of who asks, as /proc names it: what is mounted there, the shim has to see. */
  readonly mountNamespace: string;
}

export function mountNamespace(os: Os): Promise<string> {
  return os.files.readLink("/proc/self/ns/mnt");
}

/** Asks once. `undefined` when nobody listens there. @throws KumiteError `protocol/violation`, `timeout`; SystemError */
export async function askOnce(
  os: Os,
  socket: string,
  question: CacheRequest | { readonly adopt: Adoption },
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  return withDeadline(
    timeoutMs,
    `an answer on ${socket}`,
    async (within) => {
      const stream = await os.sockets.connect(socket, within);
      try {
        await stream.write(encodeUtf8(`${JSON.stringify(question)}\n`));
        const line = await new ByteReader(stream).readLine(maxCacheLine, within);
        const answer = line === undefined ? undefined : parseJson(line);
        if (isRecord(answer)) return answer;
        throw new KumiteError("protocol/violation", `${socket} gave no answer`);
      } finally {
        stream.close();
      }
    },
    signal,
  );
}

/** @throws KumiteError `protocol/violation` for a machine that cannot be */
export function isCachedShim(value: unknown): value is CachedShim {
  if (!isRecord(value) || typeof value.name !== "string" || typeof value.socket !== "string") return false;
  const { shim, vm } = value;
  if (!isRecord(shim) || !Number.isSafeInteger(shim.pid) || !Number.isSafeInteger(shim.startTicks)) return false;
  fromWire(vm);
  return true;
}

export function readyMachine({ vm }: CachedShim): ReadyMachine {
  const { hypervisor, vcpus, memoryMiB } = fromWire(vm);
  return { pid: hypervisor.State.Pid, vcpus, memoryMiB };
}
