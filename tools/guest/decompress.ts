/** Decompresses the formats of kernels and their modules, which are recognised by their first bytes. */
import { spawn } from "node:child_process";
import { gunzipSync } from "node:zlib";

export interface Compression {
  readonly name: string;
  readonly magic: readonly number[];
  /** From standard input to standard output; `undefined` for the format that zlib decompresses. */
  readonly command?: readonly [string, ...string[]];
}

const compressions: readonly Compression[] = [
  { name: "gzip", magic: [0x1f, 0x8b] },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], command: ["xz", "--decompress", "--stdout"] },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], command: ["zstd", "--decompress", "--stdout"] },
  { name: "lz4", magic: [0x02, 0x21, 0x4c, 0x18], command: ["lz4", "--decompress", "--stdout"] },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], command: ["bzip2", "--decompress", "--stdout"] },
];

/** More than any kernel needs; prevents a damaged file from filling the memory. */
export const uncompressedLimit = 512 * 1024 * 1024;

export function compressionOf(bytes: Uint8Array): Compression | undefined {
  return compressions.find(({ magic }) => magic.every((byte, i) => bytes[i] === byte));
}

/** `what` names the bytes in error messages. */
export async function decompress(bytes: Uint8Array, compression: Compression, what: string): Promise<Uint8Array> {
  if (compression.command === undefined) return gunzipSync(bytes, { maxOutputLength: uncompressedLimit });
  return filter(compression.command, bytes, what);
}

function filter([command, ...args]: readonly [string, ...string[]], input: Uint8Array, what: string) {
  return new Promise<Uint8Array>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], timeout: 5 * 60_000 });
    const chunks: Buffer[] = [];
    let size = 0;
    let complaint = "";
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > uncompressedLimit) child.kill("SIGKILL");
      else chunks.push(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new Error(`${command} is not installed; run \`npm run setup\``) : error),
    );
    child.on("close", (status, signal) => {
      if (size > uncompressedLimit) reject(new Error(`${what} is larger than ${uncompressedLimit} bytes`));
      else if (status === 0) resolve(Buffer.concat(chunks));
      else
        reject(
          new Error(`${command} could not decompress ${what} (${signal ?? `status ${status}`}) ${complaint}`.trim()),
        );
    });
    child.stdin.on("error", () => {}); // A tool that gives up early explains itself by its status.
    child.stdin.end(input);
  });
}
