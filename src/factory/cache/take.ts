/** The client of the VM cache: takes a VM with its shim and tells the shim which container it is for. */
import type { Os, ProcessId } from "../../sys/os.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import { type Adoption, askOnce, type CachedShim, cacheSocket, isCachedShim } from "./protocol.ts";

/** The server compares the contents of configurations, so it must read files. */
const takeTimeoutMs = 5_000;
/** The shim moves itself and its VM to other cgroups. */
const adoptTimeoutMs = 10_000;

export type Taken =
  /** No cache is running. */
  | { readonly kind: "no-cache" }
  | { readonly kind: "none"; readonly why: string }
  | { readonly kind: "taken"; readonly shim: ProcessId };

export interface TakeRequest {
  /** The file given with `--config`, absolute. */
  readonly config: string | undefined;
  readonly overrides: readonly string[];
  readonly adoption: Adoption;
}

/** Rejects only with `aborted`: if no VM can be had from the cache, the caller starts one. */
export async function takeFromCache(os: Os, request: TakeRequest, signal: AbortSignal): Promise<Taken> {
  try {
    const machine = await take(os, request, signal);
    if (typeof machine === "string") return { kind: "none", why: machine };
    const answer = await askOnce(os, machine.socket, { adopt: request.adoption }, adoptTimeoutMs, signal);
    if (answer.adopted === true) return { kind: "taken", shim: machine.shim };
    return {
      kind: "none",
      why: typeof answer.error === "string" ? answer.error : "its shim gave an unexpected answer",
    };
  } catch (error) {
    if (signal.aborted) throw error;
    if (isSystemError(error, "ENOENT")) return { kind: "no-cache" };
    return { kind: "none", why: messageOf(error) };
  }
}

async function take(os: Os, { config, overrides }: TakeRequest, signal: AbortSignal): Promise<CachedShim | string> {
  const question = { ask: "take", config: config ?? null, overrides } as const;
  const answer = await askOnce(os, cacheSocket, question, takeTimeoutMs, signal);
  if (isCachedShim(answer.machine)) return answer.machine;
  return typeof answer.none === "string" ? answer.none : "the server gave an unexpected answer";
}
