/**
 * The outer root directory of an image (erofs), whose only entry is the root file system. It is stored in the 1024
 * unused bytes before the superblock. It and all that a kernel keeps of the superblock are the same in every image. So
 * a kernel that has mounted an image without a root file system, as in a template, can continue with any image on the
 * same disk. Pure.
 *
 * The layout is documented by Linux (Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h).
 */
import { imageRoot } from "../../guest/storage/layers.ts";
import { encodeUtf8 } from "../../util/text.ts";

/** For mkfs.erofs: no inode may depend on values of the superblock (build time, place of shared attributes). */
export const imageOptions: readonly string[] = ["-Eforce-inode-extended", "-x2147483647"];

/** The part of an image that is checked and changed here. */
export const headBytes = 4096;

const superblockAt = 1024;
const superblockBytes = 128;
/** Offsets in the superblock. */
const at = {
  magic: 0,
  checksum: 4,
  compatible: 8,
  blockBits: 12,
  slots: 13,
  rootNumber: 14,
  buildTime: 24,
  buildNanoseconds: 32,
  metadataBlock: 40,
  attributesBlock: 44,
  incompatible: 80,
  compression: 84,
  devices: 86,
} as const;
const magic = 0xe0f5_e1e2;
const blockBits = 12;
export const blockBytes = 1 << blockBits;
/** The number of an inode is its offset in units of 32 bytes. */
const slotBytes = 32;
export const ownNumber = 1;
/** An inode of 64 bytes, followed by its content. */
export const inodeBytes = 64;
const extendedInline = 1 | (2 << 1);
const S_IFDIR = 0o040000;
const [entryBytes, directoryType] = [12, 2];

/**
 * The first bytes of an image with the outer root directory.
 * @param head the first bytes of an image as mkfs.erofs has made it
 * @returns a text says why the image cannot have one: this version of mkfs.erofs lays images out in another way
 */
export function withImageRoot(head: Uint8Array): Uint8Array | string {
  if (head.length < headBytes) return "it is too short";
  const changed = new Uint8Array(head.subarray(0, headBytes));
  const view = new DataView(changed.buffer, superblockAt, superblockBytes);
  const odd = oddityOf(view, changed);
  if (odd !== undefined) return odd;
  const inner = view.getUint16(at.rootNumber, true);
  finishSuperblock(view);
  changed.set(rootInode(BigInt(inner)), ownNumber * slotBytes);
  return changed;
}

/** An image without a root file system. Its entry leads to an invalid inode, so looking it up fails. */
export function imageWithoutRoot(): Uint8Array {
  const head = new Uint8Array(headBytes);
  const view = new DataView(head.buffer, superblockAt, superblockBytes);
  view.setUint32(at.magic, magic, true);
  view.setUint8(at.blockBits, blockBits);
  finishSuperblock(view);
  head.set(rootInode(0n), ownNumber * slotBytes);
  return head;
}

/**
 * The place of the root directory's inode, in bytes; at most 2 MiB. @param head of an image as mkfs.erofs has made it
 */
export function rootInodeAt(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset + superblockAt, superblockBytes);
  return view.getUint16(at.rootNumber, true) * slotBytes;
}

function oddityOf(view: DataView, head: Uint8Array): string | undefined {
  if (view.getUint32(at.magic, true) !== magic) return "it has no superblock";
  if (view.getUint8(at.blockBits) !== blockBits) return "its blocks do not have 4096 bytes";
  if (head.subarray(0, superblockAt).some((byte) => byte !== 0)) return "its first bytes are in use";
  const absent = [
    ["features", view.getUint32(at.incompatible, true)],
    ["metadata elsewhere", view.getUint32(at.metadataBlock, true)],
    ["shared attributes", view.getUint32(at.attributesBlock, true)],
    ["compression", view.getUint16(at.compression, true)],
    ["more devices", view.getUint16(at.devices, true)],
    ["a longer superblock", view.getUint8(at.slots)],
  ] as const;
  const present = absent.find(([, value]) => value !== 0);
  return present === undefined ? undefined : `it has ${present[0]}`;
}

/** Makes what a kernel keeps of it the same in all images. There is no checksum, which would differ. */
function finishSuperblock(view: DataView): void {
  view.setUint32(at.checksum, 0, true);
  view.setUint32(at.compatible, 0, true);
  view.setUint16(at.rootNumber, ownNumber, true);
  view.setBigUint64(at.buildTime, 0n, true);
  view.setUint32(at.buildNanoseconds, 0, true);
}

/** struct erofs_inode_extended, then its entries (struct erofs_dirent), sorted by name, then their names. */
function rootInode(inner: bigint): Uint8Array {
  const entries = [[".", BigInt(ownNumber)] as const, ["..", BigInt(ownNumber)] as const, [imageRoot, inner] as const];
  const names = encodeUtf8(entries.map(([name]) => name).join(""));
  const headsBytes = entries.length * entryBytes;
  const bytes = new Uint8Array(inodeBytes + headsBytes + names.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, extendedInline, true);
  view.setUint16(4, S_IFDIR | 0o755, true);
  view.setBigUint64(8, BigInt(headsBytes + names.length), true);
  view.setUint32(20, ownNumber, true);
  // Number of links: its name, its own ".", and ".." of the directory in it.
  view.setUint32(44, 3, true);
  let nameAt = headsBytes;
  entries.forEach(([name, number], index) => {
    const entry = inodeBytes + index * entryBytes;
    view.setBigUint64(entry, number, true);
    view.setUint16(entry + 8, nameAt, true);
    view.setUint8(entry + 10, directoryType);
    nameAt += name.length;
  });
  bytes.set(names, inodeBytes + headsBytes);
  return bytes;
}
