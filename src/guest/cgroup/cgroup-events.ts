/** Waits for changes in cgroup.events: no processes left, all processes frozen. */
import { Watch } from "../../sys/engine/loop.ts";
import { EPOLLPRI } from "../../sys/linux/epoll.ts";
import { closeQuietly, lseek, open, SEEK_SET } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { readToEnd } from "../../sys/linux/whole-file.ts";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { decodeUtf8 } from "../../util/text.ts";

const maxBytes = 4096;

export class CgroupEvents {
  readonly #file: string;

  constructor(directory: string) {
    this.#file = `${directory}/cgroup.events`;
  }

  whenEmpty(signal: AbortSignal): Promise<void> {
    return this.#when("populated 0", signal);
  }

  /** With `frozen` false, resolves when they are no longer frozen. */
  whenFrozen(frozen: boolean, signal: AbortSignal): Promise<void> {
    return this.#when(frozen ? "frozen 1" : "frozen 0", signal);
  }

  /** Waits once; the file is open only during the wait. */
  async #when(line: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const fd = open(this.#file, O_RDONLY | O_CLOEXEC);
    // The kernel notifies only a process that has read the file since the last change. So the file is read after the
    // watch begins, and again on every event.
    let onChange = (): void => {};
    const watch = new Watch(fd, () => onChange());
    let forget = (): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        onChange = () => {
          try {
            if (this.#says(fd, line)) resolve();
          } catch (error) {
            reject(error);
          }
        };
        forget = onAbort(signal, () => reject(abortError(signal)));
        watch.set(EPOLLPRI);
        onChange();
      });
    } finally {
      forget();
      watch.close();
      closeQuietly(fd);
    }
  }

  #says(fd: number, line: string): boolean {
    lseek(fd, 0, SEEK_SET);
    return decodeUtf8(readToEnd(fd, maxBytes, this.#file))
      .split("\n")
      .includes(line);
  }
}
