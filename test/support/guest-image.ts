/**
 * Makes images of a guest's root file system in the layout of Kata's image builder, with which one file can be used in
 * two ways: as a disk, by the partition table at its beginning, and as a memory device, whose first two MiB contain a
 * superblock of the kernel's PFN driver ("NVDIMM_PFN_INFO"). It says that the following pages, which have a partition
 * table of their own, can be mapped.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { succeed } from "./command.ts";

const mib = 1024 * 1024;
const sectorBytes = 512;
/** Where the part that the kernel maps begins. */
const dataOffset = 2 * mib;
/** Where the partition begins in it. */
const partitionOffset = mib;

/** Creates `file`; the root file system has the agent as its init. */
export async function makeGuestImage(file: string, agent: string, sizeMiB = 64): Promise<void> {
  await makeImage(file, agent, sizeMiB, () => undefined);
}

/** Adds a second partition with the hashes of the first; returns `kernel_verity_params` for it. */
export async function makeVerifiedGuestImage(file: string, agent: string, sizeMiB = 64): Promise<string> {
  const salt = randomBytes(32);
  let rootHash = "";
  let blocks = 0;
  await makeImage(file, agent, sizeMiB, (partition) => {
    const tree = hashTree(partition, salt);
    rootHash = tree.rootHash;
    blocks = partition.length / blockBytes;
    return tree.blocks;
  });
  const sizes = `data_blocks=${blocks},data_block_size=${blockBytes},hash_block_size=${blockBytes}`;
  return `root_hash=${rootHash},salt=${salt.toString("hex")},${sizes}`;
}

const blockBytes = 4096;

/** For dm-verity of Linux, version 1 without a superblock: the level next to the root first. */
function hashTree(data: Buffer, salt: Buffer): { readonly rootHash: string; readonly blocks: Buffer } {
  const hash = (block: Buffer) => createHash("sha256").update(salt).update(block).digest();
  const levels: Buffer[] = [];
  let level = data;
  do {
    const hashes: Buffer[] = [];
    for (let at = 0; at < level.length; at += blockBytes) hashes.push(hash(level.subarray(at, at + blockBytes)));
    const bytes = Buffer.concat(hashes);
    level = Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes);
    bytes.copy(level);
    levels.unshift(level);
  } while (level.length > blockBytes);
  return { rootHash: hash(level).toString("hex"), blocks: Buffer.concat(levels) };
}

async function makeImage(
  file: string,
  agent: string,
  sizeMiB: number,
  secondPartition: (first: Buffer) => Buffer | undefined,
): Promise<void> {
  const tree = `${file}.tree`;
  const partition = `${file}.partition`;
  for (const name of ["sbin", "dev", "proc", "sys", "run", "mnt", "tmp", "etc"]) {
    await mkdir(path.join(tree, name), { recursive: true });
  }
  await succeed(["cp", agent, path.join(tree, "sbin/init")]);
  await symlink("/proc/self/mounts", path.join(tree, "etc/mtab"));
  const bytes = sizeMiB * mib - dataOffset - partitionOffset;
  // To be mapped directly, a file system needs blocks as large as pages.
  await succeed(["mkfs.ext4", "-q", "-F", "-b", "4096", "-d", tree, partition, String(bytes / 4096)]);
  await succeed(["truncate", "-s", `${sizeMiB}M`, file]);
  await succeed(["dd", `if=${partition}`, `of=${file}`, "bs=1M", "seek=3", "conv=notrunc,sparse", "status=none"]);
  const image = await open(file, "r+");
  const second = secondPartition(await readFile(partition));
  const sizes = [bytes, ...(second === undefined ? [] : [second.length])];
  await image.write(partitionTable(dataOffset + partitionOffset, sizes), 0, sectorBytes, 0);
  await image.write(pfnSuperblock(), 0, 4096, 4096);
  await image.write(partitionTable(partitionOffset, sizes), 0, sectorBytes, dataOffset);
  if (second !== undefined) {
    await image.write(second, 0, second.length, dataOffset + partitionOffset + bytes);
    // A memory device consists of whole large pages.
    await image.truncate((sizeMiB + 2 * Math.ceil(second.length / (2 * mib))) * mib);
  }
  await image.close();
  await rm(tree, { recursive: true });
  await rm(partition);
}

/** A master boot record with consecutive Linux partitions. */
function partitionTable(offset: number, sizes: readonly number[]): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  let at = offset;
  for (const [index, bytes] of sizes.entries()) {
    const entry = 0x1be + index * 16;
    sector.writeUInt8(0x83, entry + 4);
    sector.writeUInt32LE(at / sectorBytes, entry + 8);
    sector.writeUInt32LE(bytes / sectorBytes, entry + 12);
    at += bytes;
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** `struct nd_pfn_sb` of Linux, version 1.4: the page descriptions are in the guest's own memory. */
function pfnSuperblock(): Buffer {
  const block = Buffer.alloc(4096);
  block.write("NVDIMM_PFN_INFO\0", 0, "latin1");
  block.write("kumite-test-uuid", 16, "latin1");
  block.writeUInt16LE(1, 52);
  block.writeUInt16LE(4, 54);
  block.writeBigUInt64LE(BigInt(dataOffset), 56);
  block.writeUInt32LE(modeRam, 72);
  block.writeUInt32LE(dataOffset, 84);
  block.writeUInt32LE(4096, 88);
  block.writeUInt16LE(64, 92);
  block.writeBigUInt64LE(fletcher64(block), 4088);
  return block;
}

const modeRam = 1;

function fletcher64(block: Buffer): bigint {
  let [low, high] = [0, 0];
  for (let at = 0; at < block.length; at += 4) {
    low = (low + block.readUInt32LE(at)) >>> 0;
    high = (high + low) >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
