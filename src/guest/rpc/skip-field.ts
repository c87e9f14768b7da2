/** Leaves a field of an encoded message undecoded: the specification comes in two forms, of which one is enough. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { concat } from "../../util/bytes.ts";

/** The message without `skipped`, when it has `present`; otherwise the message itself. */
export function withoutField(message: Uint8Array, skipped: number, present: number): Uint8Array {
  const reader = new BinaryReader(message);
  const kept: Uint8Array[] = [];
  let hasPresent = false;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wireType] = reader.tag();
    // A group has no length; none of ours is one.
    if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) return message;
    reader.skip(wireType);
    if (field === present) hasPresent = true;
    if (field !== skipped) kept.push(message.subarray(start, reader.pos));
  }
  return hasPresent ? concat(kept) : message;
}
