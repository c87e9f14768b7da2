/** A stream to a port of the guest's debug console, for who has the shim's socket. Knows nothing of what is spoken on it. */
import type { ByteStream } from "../sys/os.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import type { Sandbox } from "./sandbox.ts";

/** As Kata Containers has it; on the port after it the agent takes a program. */
export const debugConsolePort = 1026;
const debugPorts: readonly number[] = [debugConsolePort, debugConsolePort + 1];

/** @throws KumiteError `oci/unsupported` when the guest offers none, `container/wrong-state` */
export async function dialDebugPort(sandbox: Sandbox, port: number, signal: AbortSignal): Promise<ByteStream> {
  if (!debugPorts.includes(port)) throw new KumiteError("usage/invalid", `${port} is no port of the debug console`);
  try {
    return await sandbox.running().vm.agent.dial(port, signal);
  } catch (error) {
    if (!isKumiteError(error) || error.code === "container/wrong-state") throw error;
    throw new KumiteError("oci/unsupported", "its guest has no debug shell", { cause: error });
  }
}

/** Copies both ways until both have ended, or one breaks. Takes both streams over; never rejects. */
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
