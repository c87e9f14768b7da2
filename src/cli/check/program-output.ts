/** Runs a program for its output, such as a version or a checksum. */
import type { ByteStream, ChildProcess, Os } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { signalNumbers } from "../../util/signals.ts";
import { decodeUtf8, stripControls } from "../../util/text.ts";

const timeoutMs = 30_000;
const maxOutputBytes = 64 * 1024;

/**
 * Returns both outputs.
 * @throws KumiteError `system/failed` for an exit status other than 0
 * @throws SystemError if the program cannot be started
 */
export async function programOutput(os: Os, path: string, args: readonly string[]): Promise<string> {
  const stream = { kind: "stream" } as const;
  const child = await os.processes.spawn({
    path,
    argv: [path, ...args],
    env: { LC_ALL: "C" },
    descriptors: { 1: stream, 2: stream },
    parentDeathSignal: signalNumbers.SIGKILL,
  });
  try {
    return await withDeadline(timeoutMs, `waiting for ${path} to end`, () => finished(child, path));
  } finally {
    child.kill(signalNumbers.SIGKILL);
    for (const end of child.streams.values()) end.close();
  }
}

async function finished(child: ChildProcess, path: string): Promise<string> {
  const [out, err] = await Promise.all([textOf(child.streams.get(1)), textOf(child.streams.get(2))]);
  const exit = await child.exited;
  const text = stripControls(out + err).trim();
  if (exit.kind === "exited" && exit.status === 0) return text;
  const how = exit.kind === "exited" ? `ended with status ${exit.status}` : `was killed by signal ${exit.signal}`;
  throw new KumiteError("system/failed", `${path} ${how}${text === "" ? "" : `: ${text}`}`);
}

async function textOf(stream: ByteStream | undefined): Promise<string> {
  let text = "";
  for (let bytes = await stream?.read(); bytes !== undefined; bytes = await stream?.read()) {
    if (text.length < maxOutputBytes) text += decodeUtf8(bytes);
  }
  return text;
}
