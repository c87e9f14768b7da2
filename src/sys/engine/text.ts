/** TextEncoder and TextDecoder of the Encoding standard, for UTF-8 only and without streaming. */
import { decodeUtf8, encodeUtf8 } from "kumite:native";

export class EngineTextEncoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array<ArrayBuffer> {
    return new Uint8Array(encodeUtf8(String(text)));
  }
}

export class EngineTextDecoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;

  constructor(label: string = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    if (label !== "utf-8" && !/^utf-?8$/i.test(label))
      throw new RangeError(`the engine decodes UTF-8 only, not ${label}`);
    this.fatal = options.fatal ?? false;
    this.ignoreBOM = options.ignoreBOM ?? false;
  }

  decode(bytes?: Uint8Array): string {
    if (bytes === undefined) return "";
    const offset = !this.ignoreBOM && startsWithBom(bytes) ? 3 : 0;
    const text = decodeUtf8(bytes, offset, bytes.length - offset, this.fatal);
    if (text === null) throw new TypeError("the bytes are not well-formed UTF-8");
    return text;
  }
}

function startsWithBom(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
