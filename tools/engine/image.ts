/**
 * The heap image of an executable's default module. The executable creates it itself before it is complete: the C host
 * writes it (src/sys/native/image.c), and here it becomes a section. An image is only valid for one executable, since
 * it is full of addresses of its functions and data; the build checks that adding the image moves none of them.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "./run.ts";

/** ENGINE_IMAGE_ADDRESS of src/sys/native/engine.h. */
export const imageAddress = 0x1000_0000;

/** A piece of an image: a range of the file `image`, or zeros, which take no space in the executable. */
export interface ImagePiece {
  readonly offset: number;
  readonly length: number;
  readonly isZero: boolean;
}

const pageSize = 4096;
/** Each piece becomes a mapping of every process, so short runs of zeros are not worth one. */
const fewestZeroPages = 8;

/** An image consists of whole pages. Buffers that modules have allocated for later use are zeros in it. */
export function imagePieces(image: Buffer): ImagePiece[] {
  const pieces: ImagePiece[] = [];
  const add = (offset: number, end: number, isZero: boolean) => {
    if (end > offset) pieces.push({ offset, length: end - offset, isZero });
  };
  const isZeroPage = (at: number) => at < image.length && !image.subarray(at, at + pageSize).some((byte) => byte !== 0);
  let begin = 0;
  for (let at = 0; at < image.length; ) {
    let end = at;
    while (isZeroPage(end)) end += pageSize;
    if (end - at >= fewestZeroPages * pageSize) {
      add(begin, at, false);
      add(at, end, true);
      begin = end;
    }
    at = end + pageSize;
  }
  add(begin, image.length, false);
  return pieces;
}

/** Runs the executable `program` of the directory, which writes its image to the file `image` there. */
export async function makeImage(directory: string, program: string): Promise<void> {
  // The program name that makes it write the image (src/sys/native/main.c).
  await symlink(program, join(directory, "make-image"));
  const child = spawn("./make-image", { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  await pipeline(child.stdout, createWriteStream(join(directory, "image")));
  const [status, signal] = await ended;
  if (status !== 0) throw new Error(`the heap's image was not made (${signal ?? `status ${status}`})\n${said}`.trim());
}

/**
 * For two executables that are not stripped. @throws Error if anything that the image refers to has another address in
 * the second one
 */
export async function checkSameAddresses(directory: string, before: string, after: string): Promise<void> {
  const [first, second] = await Promise.all([symbols(directory, before), symbols(directory, after)]);
  const moved = [...first].find(([symbol, address]) => second.get(symbol) !== address);
  if (moved !== undefined) throw new Error(`the image of the heap moved ${moved[0]}`);
}

/** Names and addresses. Local names may occur several times, so each is numbered. */
async function symbols(directory: string, program: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const line of (await run("nm", ["-p", program], { cwd: directory })).split("\n")) {
    const [, address, type, name] = /^([0-9a-f]+) (\S) (.+)$/.exec(line) ?? [];
    // The linker's own symbol for the end of everything.
    if (address === undefined || name === undefined || type === "a" || name === "_end") continue;
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    found.set(`${name} ${count}`, address);
  }
  return found;
}
