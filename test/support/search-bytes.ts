/** Searches large, mostly sparse files and the memory of processes for bytes. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { succeed } from "./command.ts";

type Needles = ReadonlyMap<string, Buffer>;

const stepBytes = 4 * 1024 * 1024;

/** The names of the needles that occur in the file. */
export async function namesInFile(file: string, needles: Needles): Promise<string[]> {
  // An archive contains the data without the holes, which may be gigabytes.
  const archive = ["tar", "--create", "--sparse", "--dereference", "--absolute-names", "--file=-", file];
  const { stdoutBytes } = await succeed(archive);
  return [...needles].filter(([, needle]) => stdoutBytes.includes(needle)).map(([name]) => name);
}

/** The same in those mappings of a process whose name contains `mapping`. */
export function namesInProcess(pid: number, mapping: string, needles: Needles): string[] {
  const longest = Math.max(...[...needles.values()].map(({ length }) => length));
  const found = new Set<string>();
  const buffer = Buffer.alloc(stepBytes);
  const fd = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const { from, to } of rangesOf(pid, mapping)) {
      // Pieces overlap, so that a needle across two of them is found.
      for (let at = from; at < to; at += stepBytes - longest) {
        const length = readSync(fd, buffer, 0, Math.min(stepBytes, to - at), at);
        const piece = buffer.subarray(0, length);
        for (const [name, needle] of needles) if (!found.has(name) && piece.includes(needle)) found.add(name);
      }
    }
  } finally {
    closeSync(fd);
  }
  return [...found];
}

function rangesOf(pid: number, mapping: string): { readonly from: number; readonly to: number }[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines
    .filter((line) => line.includes(mapping))
    .map((line) => {
      const [from = "", to = ""] = (line.split(" ", 1)[0] ?? "").split("-");
      return { from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) };
    });
}
