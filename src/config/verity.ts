/**
 * Parses `kernel_verity_params`, which says how the guest's kernel verifies its root file system. Pure. The values end
 * up on the kernel's command line, so nothing but decimal and hexadecimal digits is accepted.
 */

export interface VerityParameters {
  /** In hexadecimal digits. */
  readonly rootHash: string;
  /** In hexadecimal digits; empty: none. */
  readonly salt: string;
  readonly dataBlocks: number;
  readonly dataBlockBytes: number;
  readonly hashBlockBytes: number;
}

const names = ["root_hash", "salt", "data_blocks", "data_block_size", "hash_block_size"] as const;
type Name = (typeof names)[number];

/** `undefined` for an empty text; a message for a text that is invalid or incomplete. */
export function parseVerity(text: string): VerityParameters | string | undefined {
  if (text.trim() === "") return undefined;
  const found = new Map<Name, string>();
  for (const part of text.split(",")) {
    const [word = "", value = ""] = part.trim().split(/=(.*)/s);
    const name = names.find((known) => known === word);
    if (name === undefined) return `${JSON.stringify(word.slice(0, 60))} is not one of ${names.join(", ")}`;
    if (found.has(name)) return `${name} is given twice`;
    found.set(name, value);
  }
  const missing = names.find((name) => name !== "salt" && !found.has(name));
  if (missing !== undefined) return `${missing} is missing`;
  const [rootHash, salt] = [found.get("root_hash") ?? "", found.get("salt") ?? ""];
  if (!/^(?:[0-9a-fA-F]{2}){16,64}$/.test(rootHash)) return "root_hash must be hexadecimal digits, two for each byte";
  if (!/^(?:[0-9a-fA-F]{2}){0,256}$/.test(salt)) return "salt must be hexadecimal digits, two for each byte";
  const dataBlocks = countIn(found.get("data_blocks"));
  const [dataBlockBytes, hashBlockBytes] = [found.get("data_block_size"), found.get("hash_block_size")].map(countIn);
  if (dataBlocks === undefined) return "data_blocks must be a number";
  if (!isBlockSize(dataBlockBytes)) return `data_block_size must be ${sizes}`;
  if (!isBlockSize(hashBlockBytes)) return `hash_block_size must be ${sizes}`;
  return { rootHash, salt, dataBlocks, dataBlockBytes, hashBlockBytes };
}

const sizes = "a power of two from 512 to 65536";

function countIn(text = ""): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

function isBlockSize(bytes: number | undefined): bytes is number {
  return bytes !== undefined && bytes >= 512 && bytes <= 65_536 && Number.isInteger(Math.log2(bytes));
}
