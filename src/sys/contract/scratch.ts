/** What several groups of checks need. */
import { readAll } from "../../util/bytes.ts";
import { toHex } from "../../util/hex.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { ByteStream, ChildProcess, Os, SpawnRequest } from "../os.ts";

export interface Scratch extends AsyncDisposable {
  /** An empty directory, without symlinks in its path. */
  readonly path: string;
}

/** Removed with all that is in it. */
export async function scratch(os: Os): Promise<Scratch> {
  const name = toHex(os.random(6));
  const path = `${await os.files.realPath("/tmp")}/kumite-contract-${name}`;
  await os.files.makeDir(path, 0o700);
  return { path, [Symbol.asyncDispose]: () => os.files.removeTree(path) };
}

/** Everything up to the end; closes the stream. */
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

/** A shell with "$1" and so on from `args`, without descriptors unless some are asked for. */
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

/** Standard output is a stream. */
export const printing = { 1: { kind: "stream" } } as const;

/** What the script prints, once it has ended. */
export async function output(os: Os, script: string, more: Parameters<typeof shell>[2] = {}): Promise<string> {
  const child = await shell(os, script, { ...more, descriptors: { ...more.descriptors, ...printing } });
  const text = await textOf(child.streams.get(1));
  await child.exited;
  return text.trimEnd();
}
