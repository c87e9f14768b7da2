/**
 * The parent of an image's root file system, which has an outer root directory (image-root.ts): mkfs.erofs has made it
 * its own parent. Linux never reads this entry, but fsck.erofs compares it. Pure.
 */
import { decodeUtf8 } from "../../util/text.ts";
import { blockBytes, inodeBytes, ownNumber } from "./image-root.ts";

/** Layout of an inode's content: `plain` in blocks, `inline` with the part of a block at the end behind the inode. */
const [plain, inline] = [0, 2];
const [entryBytes, nameAtOffset] = [12, 8];

/** A part of the image, in bytes. */
export interface Range {
  readonly at: number;
  readonly length: number;
}

/**
 * Where the first block of the directory's entries is.
 * @param inode an inode of 64 bytes and what follows it
 * @param inodeAt its place in the image
 * @returns `undefined` if the directory has a layout that mkfs.erofs does not use for directories
 */
export function firstEntriesOf(inode: Uint8Array, inodeAt: number): Range | undefined {
  if (inode.length < inodeBytes) return undefined;
  const view = new DataView(inode.buffer, inode.byteOffset, inode.byteLength);
  const format = view.getUint16(0, true);
  const layout = (format >> 1) & 7;
  const isExtended = (format & 1) === 1;
  if (!isExtended || (layout !== plain && layout !== inline)) return undefined;
  const size = Number(view.getBigUint64(8, true));
  if (layout === inline && size < blockBytes) {
    return { at: inodeAt + inodeBytes + attributesBytes(view.getUint16(2, true)), length: size };
  }
  return { at: view.getUint32(16, true) * blockBytes, length: Math.min(size, blockBytes) };
}

/** A header of 12 bytes, then 4 bytes for each unit but the first. */
function attributesBytes(units: number): number {
  return units === 0 ? 0 : 12 + (units - 1) * 4;
}

/** The entries with the outer root directory as the parent; `undefined` if ".." is not among them. */
export function withOuterParent(entries: Uint8Array): Uint8Array | undefined {
  const changed = new Uint8Array(entries);
  const view = new DataView(changed.buffer);
  if (changed.length < entryBytes) return undefined;
  const count = view.getUint16(nameAtOffset, true) / entryBytes;
  const nameAt = (index: number): number =>
    index < count ? view.getUint16(index * entryBytes + nameAtOffset, true) : changed.length;
  if (!Number.isInteger(count) || count * entryBytes > changed.length) return undefined;
  for (let index = 0; index < count; index++) {
    const name = decodeUtf8(changed.subarray(nameAt(index), nameAt(index + 1)));
    // The last name of a block is filled up with zeros.
    if (name !== ".." && !name.startsWith("..\0")) continue;
    view.setBigUint64(index * entryBytes, BigInt(ownNumber), true);
    return changed;
  }
  return undefined;
}
