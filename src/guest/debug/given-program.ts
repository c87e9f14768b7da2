/**
 * The start of a debug session with a program that the host sends: one line of JSON, then the bytes of a static
 * executable, which becomes a sealed memory-backed file. The agent answers with one line; after that the stream is the
 * program's terminal.
 */
import { closeQuietly, write } from "../../sys/linux/file.ts";
import { addSeals, makeMemoryFile, seal } from "../../sys/linux/memory-file.ts";
import type { ByteStream, WindowSize } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { pushBack } from "../../util/bytes.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { encodeUtf8 } from "../../util/text.ts";
import type { ShellProgram } from "./shell.ts";

const maxLineBytes = 4096;
const maxProgramBytes = 32 * 1024 * 1024;
/** An emulated guest needs some seconds for two megabytes. */
const receiveTimeoutMs = 120_000;
const maxArguments = 64;

interface Announcement {
  readonly bytes: number;
  readonly argv: readonly string[];
  readonly size: WindowSize | undefined;
}

/**
 * Takes over the stream.
 * @throws KumiteError `protocol/violation`, `timeout`; then nothing of the program is kept
 */
export function receiveProgram(
  stream: ByteStream,
): Promise<{ readonly stream: ByteStream; readonly program: ShellProgram }> {
  return withDeadline(receiveTimeoutMs, "receiving the debug shell's program", async (signal) => {
    const reader = new ByteReader(stream);
    const { bytes, argv, size } = announcementOf(await reader.readLine(maxLineBytes, signal));
    const fd = makeMemoryFile("debug-shell", 0);
    try {
      const rest = await store(reader.rest(), fd, bytes, signal);
      addSeals(fd, seal.writing + seal.growing + seal.shrinking + seal.sealing);
      await stream.write(encodeUtf8("OK\n"));
      return { stream: rest, program: { path: `/proc/self/fd/${fd}`, argv, size, close: () => closeQuietly(fd) } };
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
  });
}

/** Returns the stream that follows the program's bytes. */
async function store(stream: ByteStream, fd: number, bytes: number, signal: AbortSignal): Promise<ByteStream> {
  let left = bytes;
  let behind = new Uint8Array();
  while (left > 0) {
    const part = await stream.read(signal);
    if (part === undefined) throw violation(`the program ended ${left} bytes too early`);
    const own = part.subarray(0, left);
    for (let at = 0; at < own.length; ) at += write(fd, own.subarray(at));
    left -= own.length;
    behind = part.slice(own.length);
  }
  return behind.length === 0 ? stream : pushBack(stream, behind);
}

function announcementOf(line: string | undefined): Announcement {
  let told: unknown;
  try {
    told = parseJson(line ?? "");
  } catch {
    throw violation("the announcement is not JSON");
  }
  if (!isRecord(told)) throw violation("the announcement is not an object");
  const { bytes, argv, rows, columns } = told;
  if (!isCount(bytes, maxProgramBytes)) throw violation(`a program must have 1 to ${maxProgramBytes} bytes`);
  const isText = (word: unknown): word is string => typeof word === "string" && !word.includes("\0");
  if (!Array.isArray(argv) || argv.length === 0 || argv.length > maxArguments || !argv.every(isText)) {
    throw violation("argv is not a list of strings");
  }
  const size = isCount(rows, 65_535) && isCount(columns, 65_535) ? { rows, columns } : undefined;
  return { bytes, argv, size };
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= max;
}

function violation(what: string): KumiteError {
  return new KumiteError("protocol/violation", what);
}
