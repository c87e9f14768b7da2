/**
 * The library's reader of messages, without what is slow on the small engine: the library decodes strings of up to 64
 * bytes character by character, and reads every number with code for the longest one, while most numbers take a single
 * byte.
 */
import { BinaryReader, getTextEncoding } from "@bufbuild/protobuf/wire";

export class MessageReader extends BinaryReader {
  constructor(bytes: Uint8Array) {
    super(bytes);
    const { uint32 } = this;
    // The library sets it as a property of each reader, which takes precedence over a method.
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
