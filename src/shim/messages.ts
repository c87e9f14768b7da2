/** Converts between the messages of the shim's services and the types of the sandbox. */
import type { Any } from "../protocol/gen/google/protobuf/any.ts";
import type { Timestamp } from "../protocol/gen/google/protobuf/timestamp.ts";
import type { ConsoleSize as ConsoleSizeMessage, ProcessIdentity } from "../protocol/gen/kumite/oci/v1/oci.ts";
import type { ConsoleSize, ProcessKey } from "../sandbox/process.ts";
import type { ProcessId } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { dropNulls, JsonSyntaxError, parseJson } from "../util/json.ts";
import { decodeUtf8 } from "../util/text.ts";

/** containerd's type URL of `linux.resources` as JSON; some clients prefix it with a host. */
const resourcesType = "opencontainers/runtime-spec/1/LinuxResources";

/** An empty exec id stands for the container's own process. */
export function processKey({ id, execId = "" }: { readonly id: string; readonly execId?: string }): ProcessKey {
  return { containerId: id, execId: execId === "" ? undefined : execId };
}

export function timestamp(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** @throws KumiteError `usage/invalid` if there is none */
export function relayOf(relay: ProcessIdentity | undefined): ProcessId {
  if (relay === undefined || relay.pid === 0) throw new KumiteError("usage/invalid", "the request names no relay");
  return { pid: relay.pid, startTicks: Number(relay.startTicks) };
}

/** `undefined` for a terminal without a size. */
export function consoleSize(size: ConsoleSizeMessage | undefined): ConsoleSize | undefined {
  if (size === undefined || size.width === 0 || size.height === 0) return undefined;
  return { rows: size.height, columns: size.width };
}

/** The document of an update. @throws KumiteError `usage/invalid` for any other type */
export function resourcesOf(resources: Any | undefined): unknown {
  if (resources?.typeUrl.endsWith(resourcesType) !== true) {
    throw new KumiteError("usage/invalid", `an update needs ${resourcesType}, not ${resources?.typeUrl ?? "nothing"}`);
  }
  return dropNulls(documentOf(decodeUtf8(resources.value), "the new resources"));
}

/** `what` names the document in the error. @throws KumiteError `oci/spec-invalid` */
export function documentOf(json: string, what: string): unknown {
  try {
    return parseJson(json);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new KumiteError("oci/spec-invalid", `${what}: ${error.message}`);
    throw error;
  }
}
