/**
 * Inputs on disk: those that reached something new, and those that failed. A file's name is the hash of its content.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const here = import.meta.dirname;

export function readCorpus(name: string): Uint8Array[] {
  const directory = path.join(here, "corpus", name);
  try {
    return readdirSync(directory)
      .sort()
      .map((file) => new Uint8Array(readFileSync(path.join(directory, file))));
  } catch {
    return [];
  }
}

/** Stored with the sources. @returns the path */
export function keep(name: string, input: Uint8Array): string {
  return write(path.join(here, "corpus", name), input);
}

/** Not stored with the sources. @returns the path */
export function saveFailure(name: string, input: Uint8Array): string {
  return write(path.join(here, "failures", name), input);
}

function write(directory: string, input: Uint8Array): string {
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, createHash("sha256").update(input).digest("hex").slice(0, 16));
  writeFileSync(file, input);
  return file;
}
