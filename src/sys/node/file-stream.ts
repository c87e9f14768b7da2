/** `ByteStream` over a file or a device that never blocks, such as /dev/null. */
import { close, read, write } from "node:fs";
import { promisify } from "node:util";
import { throwIfAborted } from "../../util/abort.ts";
import { SystemError } from "../../util/errors.ts";
import type { ByteStream } from "../os.ts";
import { asSystemCall } from "./system-error.ts";

const readBytes = promisify(read);
const writeBytes = promisify(write);
const readStepBytes = 64 * 1024;

export class FileStream implements ByteStream {
  readonly #fd: number;
  /** Settles when all writes so far are done; they are made one after the other. */
  #written: Promise<unknown> = Promise.resolve();
  #state: "open" | "ended" | "closed" = "open";

  /** Takes ownership of the descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    throwIfAborted(signal);
    if (this.#state === "closed") return undefined;
    const part = new Uint8Array(readStepBytes);
    const { bytesRead } = await asSystemCall("read", undefined, () => readBytes(this.#fd, part, 0, part.length, null));
    return bytesRead === 0 ? undefined : part.subarray(0, bytesRead);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== "open") throw new SystemError("EPIPE", "write");
    const writing = this.#written.then(() => asSystemCall("write", undefined, () => this.#writeWhole(bytes)));
    this.#written = writing.catch(() => {});
    await writing;
  }

  async end(): Promise<void> {
    if (this.#state === "open") this.#state = "ended";
    await this.#written;
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    // Queued writes keep the descriptor open a little longer, since another file must not get its number meanwhile.
    void this.#written.then(() => close(this.#fd, () => {}));
  }

  async #writeWhole(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await writeBytes(this.#fd, bytes, done, bytes.length - done, null);
      done += bytesWritten;
    }
  }
}
