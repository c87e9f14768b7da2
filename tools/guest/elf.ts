/**
 * Reads 64-bit little-endian ELF files, as far as kernels and their modules need it. Every offset is checked against
 * the file, so that a damaged download gives an error message instead of nonsense.
 */

export interface Segment {
  readonly type: number;
  /** Offset of its program header in the file. */
  readonly headerOffset: number;
  readonly offset: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface Note {
  readonly owner: string;
  readonly type: number;
  readonly description: Uint8Array;
}

export const segmentLoad = 1;
const segmentNote = 4;

const headerSize = 64;
const programHeaderSize = 56;
const sectionHeaderSize = 64;

/** Throws unless the file is a 64-bit little-endian ELF. `what` names it in error messages. */
export function segmentsOf(file: Uint8Array, what: string): Segment[] {
  const view = elfView(file, what);
  const table = offsetAt(view, 0x20);
  const count = view.getUint16(0x38, true);
  const segments: Segment[] = [];
  for (let i = 0; i < count; i++) {
    const headerOffset = table + i * programHeaderSize;
    slice(file, headerOffset, programHeaderSize, what);
    const segment: Segment = {
      type: view.getUint32(headerOffset, true),
      headerOffset,
      offset: offsetAt(view, headerOffset + 8),
      fileSize: offsetAt(view, headerOffset + 32),
      memorySize: offsetAt(view, headerOffset + 40),
    };
    slice(file, segment.offset, segment.fileSize, what);
    segments.push(segment);
  }
  return segments;
}

/** Offset of a section's header in the file, or `undefined` if there is no section of that name. */
export function sectionHeaderOf(file: Uint8Array, name: string, what: string): number | undefined {
  const view = elfView(file, what);
  const table = offsetAt(view, 0x28);
  const count = view.getUint16(0x3c, true);
  if (count === 0) return undefined;
  const header = (index: number): number => {
    const at = table + index * sectionHeaderSize;
    slice(file, at, sectionHeaderSize, what);
    return at;
  };
  const names = contentAt(file, header(view.getUint16(0x3e, true)), what);
  for (let i = 0; i < count; i++) {
    const at = header(i);
    if (textAt(names, view.getUint32(at, true)) === name) return at;
  }
  return undefined;
}

/** The content of a section, as a view of the file, or `undefined` if there is no section of that name. */
export function sectionOf(file: Uint8Array, name: string, what: string): Uint8Array | undefined {
  const header = sectionHeaderOf(file, name, what);
  return header === undefined ? undefined : contentAt(file, header, what);
}

function contentAt(file: Uint8Array, header: number, what: string): Uint8Array {
  const view = elfView(file, what);
  return slice(file, offsetAt(view, header + 0x18), offsetAt(view, header + 0x20), what);
}

/** The notes of all PT_NOTE segments. */
export function notesOf(file: Uint8Array, what: string): Note[] {
  return segmentsOf(file, what)
    .filter((segment) => segment.type === segmentNote)
    .flatMap((segment) => parseNotes(slice(file, segment.offset, segment.fileSize, what), what));
}

function parseNotes(bytes: Uint8Array, what: string): Note[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notes: Note[] = [];
  let at = 0;
  while (at + 12 <= bytes.length) {
    const nameSize = view.getUint32(at, true);
    const descriptionSize = view.getUint32(at + 4, true);
    const nameAt = at + 12;
    const descriptionAt = nameAt + align4(nameSize);
    const owner = textAt(slice(bytes, nameAt, nameSize, what), 0);
    const description = slice(bytes, descriptionAt, descriptionSize, what);
    notes.push({ owner, type: view.getUint32(at + 8, true), description });
    at = descriptionAt + align4(descriptionSize);
  }
  return notes;
}

function elfView(file: Uint8Array, what: string): DataView {
  const magic = [0x7f, 0x45, 0x4c, 0x46, /* 64-bit */ 2, /* little-endian */ 1];
  if (file.length < headerSize || magic.some((byte, i) => file[i] !== byte))
    throw new Error(`${what} is not a 64-bit little-endian ELF file`);
  return new DataView(file.buffer, file.byteOffset, file.byteLength);
}

/** A 64-bit field as a number; values above 2^53 cannot be inside a file and fail the bounds check that follows. */
function offsetAt(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function slice(file: Uint8Array, offset: number, size: number, what: string): Uint8Array {
  if (offset + size > file.length)
    throw new Error(`${what} is truncated: ${offset + size} bytes wanted, ${file.length} there`);
  return file.subarray(offset, offset + size);
}

function textAt(bytes: Uint8Array, start: number): string {
  const end = bytes.indexOf(0, start);
  return new TextDecoder().decode(bytes.subarray(start, end < 0 ? bytes.length : end));
}

function align4(size: number): number {
  return (size + 3) & ~3;
}
