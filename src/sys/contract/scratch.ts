/** Helpers for several groups of checks. */
import { readAll } from "../../util/bytes.ts";
import { toHex } from "../../util/hex.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { ByteStream, ChildProcess, Os, SpawnRequest } from "../os.ts";

export interface Scratch extends AsyncDisposable {
  /** An empty directory, without symlinks in its path. */
  readonly path: string;
}

/** Creates a scratch directory, which is removed with its content on disposal. */
export async function scratch(os: Os): Promise<Scratch> {
  const name = toHex(os.random(6));
  const path = `${await os.files.realPath("/tmp")}/kumite-contract-${name}`;
  await os.files.makeDir(path, 0o700);
  return { path, [Symbol.asyncDispose]: () => os.files.removeTree(path) };
}

/** Reads to the end and closes the stream. */
export async function textOf(stream: ByteStream | undefined): Promise<string> {
  if (stream === undefined) throw new Error("there is no such stream");
  try {
    return decodeUtf8(await readAll(stream, 64 << 20));
  } finally {
    stream.close();
  }
}

const shellPath = "/bin/sh";
const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

/** Runs a shell script with "$1" and so on from `args`. It has no descriptors except those given. */
export function shell(
  os: Os,
  script: string,
  more: Partial<SpawnRequest> & { readonly args?: readonly string[] } = {},
): Promise<ChildProcess> {
  const { args = [], ...rest } = more;
  return os.processes.spawn({
    path: shellPath,
    argv: ["sh", "-c", script, "sh", ...args],
    env: environment,
    ...rest,
    descriptors: rest.descriptors ?? {},
  });
}

/** Descriptors that make standard output a stream. */
export const printing = { 1: { kind: "stream" } } as const;

/** What the script has printed when it ends. */
export async function output(os: Os, script: string, more: Parameters<typeof shell>[2] = {}): Promise<string> {
  const child = await shell(os, script, { ...more, descriptors: { ...more.descriptors, ...printing } });
  const text = await textOf(child.streams.get(1));
  await child.exited;
  return text.trimEnd();
}
