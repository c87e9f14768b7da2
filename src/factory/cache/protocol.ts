/**
 * How our programs speak to the server of the VM cache and to its shims: one line of JSON each way, on a Unix socket
 * that only root can open. The verbs run on the small engine, which has no HTTP/2; the gRPC service offers the same
 * under Kata's names. Both ends are here.
 */
import { socketDirectory } from "../../persist/paths.ts";
import type { Os, ProcessId } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { fromWire, type WireVm } from "../../vm/wire.ts";

/** There is one server per host, so that callers find it without reading a configuration. */
export const cacheSocket = `${socketDirectory}/cache`;

export const maxCacheLine = 256 * 1024;

export type CacheRequest =
  /** `config` is the file given with `--config`. The VM must match what that file says now. */
  | { readonly ask: "take"; readonly config: string | null; readonly overrides: readonly string[] }
  | { readonly ask: "status" }
  | { readonly ask: "quit" };

/** A shim whose VM is running and has no sandbox yet. */
export interface CachedShim {
  readonly name: string;
  readonly shim: ProcessId;
  /** The socket on which the shim waits to be told which container it is for. */
  readonly socket: string;
  readonly vm: WireVm;
}

/** A VM that is ready, as it is shown to users. `pid` is that of the VMM. */
export interface ReadyMachine {
  readonly pid: number;
  readonly vcpus: number;
  readonly memoryMiB: number;
}

export interface CacheStatus {
  /** Pid of the server. */
  readonly pid: number;
  /** The number of VMs that the server keeps ready. */
  readonly wanted: number;
  /** The VMs that are ready now. */
  readonly machines: readonly ReadyMachine[];
}

export type CacheAnswer =
  | { readonly machine: CachedShim }
  | { readonly none: string }
  | { readonly status: CacheStatus }
  | { readonly quitting: true };

/** The sandbox that a cached shim becomes. */
export interface Adoption {
  readonly root: string;
  readonly id: string;
  /** Absolute path. */
  readonly bundle: string;
  readonly debug: boolean;
  readonly logFormat: "text" | "json";
  /** Cgroups of the sandbox for the shim and its VM. */
  readonly cgroups: readonly string[];
  /** The caller's mount namespace, as /proc names it. The shim must see the same mounts. */
  readonly mountNamespace: string;
}

export function mountNamespace(os: Os): Promise<string> {
  return os.files.readLink("/proc/self/ns/mnt");
}

/**
 * Sends one request and returns the answer.
 * @throws KumiteError `protocol/violation`, `protocol/closed`, `timeout`; SystemError, e.g. `ENOENT` if there is no
 * socket
 */
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
        if (line === undefined) throw new KumiteError("protocol/closed", `${socket} was closed before an answer`);
        const answer = parseJson(line);
        if (isRecord(answer)) return answer;
        throw new KumiteError("protocol/violation", `${socket} gave no valid answer`);
      } finally {
        stream.close();
      }
    },
    signal,
  );
}

/** @throws KumiteError `protocol/violation` for a VM that cannot exist */
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
