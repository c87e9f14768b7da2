/**
 * The library's reader of messages without what is slow on the small engine: its text of up to 64 bytes is put together
 * character by character, and each number goes through checks for the longest one. Most numbers are one byte.
 */
import { BinaryReader, getTextEncoding } from "@bufbuild/protobuf/wire";

export class MessageReader extends BinaryReader {
  constructor(bytes: Uint8Array) {
    super(bytes);
    const { uint32 } = this;
    // The library has it as a property of each reader, which would win over a method.
    Object.assign(this, {
      uint32(this: MessageReader): number {
        const byte = bytes[this.pos];
        if (byte === undefined || byte >= 0x80) return uint32.call(this);
        this.pos++;
        return byte;
      },
    });
  }

  override string(strict?: boolean): string {
    return getTextEncoding().decodeUtf8(this.bytes(), strict);
  }
}
