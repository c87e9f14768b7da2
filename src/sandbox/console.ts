/**
 * Shows the guest's console: its last lines, then its output as it is printed. What the viewer types goes into the
 * console. Any number of viewers can be connected. A viewer that does not read is disconnected, because a guest prints
 * as much as it likes.
 */
import type { GuestConsole } from "../hypervisor/driver.ts";
import type { ByteStream } from "../sys/os.ts";
import { deferred } from "../util/deferred.ts";
import { KumiteError } from "../util/errors.ts";
import { encodeUtf8 } from "../util/text.ts";
import type { Sandbox } from "./sandbox.ts";

const shownLines = 50;
/** Output that may be in flight to one viewer. */
const maxPendingBytes = 256 * 1024;

/**
 * Resolves when either side ends the connection. Takes over the stream.
 *
 * @throws KumiteError `container/wrong-state`, `oci/unsupported`
 */
export async function showConsole(sandbox: Sandbox, stream: ByteStream): Promise<void> {
  const { machine } = sandbox.running().vm;
  const { console } = machine;
  if (console === undefined) {
    throw new KumiteError("oci/unsupported", "the guest of this sandbox has no console", {
      hint: `\`kumite logs ${sandbox.host.id}\` shows its output`,
    });
  }
  const over = deferred();
  let pending = 0;
  const send = (bytes: Uint8Array): void => {
    pending += bytes.length;
    if (pending > maxPendingBytes) over.resolve();
    const sent = (): void => {
      pending -= bytes.length;
    };
    stream.write(bytes).then(sent, over.resolve);
  };
  for (const line of machine.consoleTail(shownLines)) send(encodeUtf8(`${line}\r\n`));
  const stop = console.listen((bytes) => send(bytes.slice()));
  // A viewer that types nothing keeps its side open, so the end of its input means that it has left.
  copyTyped(stream, console).then(over.resolve, over.resolve);
  await Promise.race([over.promise, machine.exited]);
  stop();
  stream.close();
}

async function copyTyped(stream: ByteStream, console: GuestConsole): Promise<void> {
  for (let typed = await stream.read(); typed !== undefined; typed = await stream.read()) await console.type(typed);
}
