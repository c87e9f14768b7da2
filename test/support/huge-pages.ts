/** Reserves huge pages of the host (2 MiB) for as long as a test needs them, since most hosts have none. */
import { readFileSync, writeFileSync } from "node:fs";

const setting = "/proc/sys/vm/nr_hugepages";

export class HugePages implements Disposable {
  readonly #added: number;

  private constructor(added: number) {
    this.#added = added;
  }

  /**
   * `undefined`, with a message, if the host provides none: another process may use them, or there is no memory left.
   */
  static reserve(pages: number): HugePages | undefined {
    const missing = Math.max(0, pages - free());
    const before = reserved();
    try {
      if (missing > 0) writeFileSync(setting, String(before + missing));
    } catch (error) {
      console.log(`# huge pages are left out: ${String(error)}`);
      return undefined;
    }
    const pageSet = new HugePages(reserved() - before);
    if (free() >= pages) return pageSet;
    pageSet[Symbol.dispose]();
    console.log(`# huge pages are left out: the host gives ${free()} of ${pages} (${setting})`);
    return undefined;
  }

  /** Huge pages used by any process. */
  static used(): number {
    return reserved() - free();
  }

  [Symbol.dispose](): void {
    if (this.#added > 0) writeFileSync(setting, String(Math.max(0, reserved() - this.#added)));
  }
}

function reserved(): number {
  return Number(readFileSync(setting, "utf8"));
}

function free(): number {
  return Number(/^HugePages_Free:\s*(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
}
