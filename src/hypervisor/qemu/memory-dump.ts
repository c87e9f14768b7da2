/** Dumps the memory of a guest that panicked, for analysis with crash(8) or gdb. */
import type { Os } from "../../sys/os.ts";
import type { MemoryDumpOptions } from "./options.ts";
import type { QmpClient } from "./qmp/client.ts";

/** Enough for a large guest on a slow disk. */
const timeoutMs = 600_000;

const fdname = "dump";

/**
 * Returns the path of the dump, `<directory>/<id>/vmcore-<time>.elf`, which is never removed. The guest must be paused.
 */
export async function dumpMemory(
  os: Os,
  monitor: QmpClient,
  id: string,
  { directory, paging }: MemoryDumpOptions,
): Promise<string> {
  const own = `${directory}/${id}`;
  await os.files.makeDirs(own, 0o700);
  const time = new Date(os.clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const path = `${own}/vmcore-${time}.elf`;
  await os.files.write(path, "", { exclusive: true });
  // QEMU cannot open the file itself.
  await monitor.executeWith(os.sockets, { kind: "readWrite", path }, "getfd", { fdname });
  await monitor.execute("dump-guest-memory", { paging, protocol: `fd:${fdname}` }, { timeoutMs });
  return path;
}
