/**
 * Opens a stream to a port of the guest's debug console, for a client of the shim. Knows nothing of the protocol spoken
 * there.
 */
import type { ByteStream } from "../sys/os.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import type { Sandbox } from "./sandbox.ts";

/** As in Kata Containers. On the next port the agent accepts a program to run. */
export const debugConsolePort = 1026;
const debugPorts: readonly number[] = [debugConsolePort, debugConsolePort + 1];

/** @throws KumiteError `oci/unsupported` if the guest has no debug console, `container/wrong-state`, `usage/invalid` */
export async function dialDebugPort(sandbox: Sandbox, port: number, signal: AbortSignal): Promise<ByteStream> {
  if (!debugPorts.includes(port)) throw new KumiteError("usage/invalid", `port ${port} is not a debug console port`);
  try {
    return await sandbox.running().vm.agent.dial(port, signal);
  } catch (error) {
    if (!isKumiteError(error) || error.code === "container/wrong-state") throw error;
    throw new KumiteError("oci/unsupported", "the guest has no debug shell", { cause: error });
  }
}

/** Copies in both directions until both have ended or one has failed. Takes over both streams; never rejects. */
export async function joinStreams(one: ByteStream, other: ByteStream): Promise<void> {
  const ways = [copy(one, other), copy(other, one)].map((way) =>
    way.catch(() => {
      one.close();
      other.close();
    }),
  );
  await Promise.all(ways);
  one.close();
  other.close();
}

async function copy(from: ByteStream, to: ByteStream): Promise<void> {
  for (let bytes = await from.read(); bytes !== undefined; bytes = await from.read()) await to.write(bytes);
  await to.end();
}
