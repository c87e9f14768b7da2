/** Keeps the memory of a guest that panicked, for whoever looks for the reason with crash(8) or gdb. */
import type { Os } from "../../sys/os.ts";
import type { MemoryDumpOptions } from "./options.ts";
import type { QmpClient } from "./qmp/client.ts";

/** A large guest's memory on a slow disk. */
const timeoutMs = 600_000;

const fdname = "dump";

/** Path of the file, which nobody removes: `<directory>/<id>/vmcore-<time>.elf`. The guest must not run. */
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
  // QEMU cannot open it itself.
  await monitor.executeWith(os.sockets, { kind: "readWrite", path }, "getfd", { fdname });
  await monitor.execute("dump-guest-memory", { paging, protocol: `fd:${fdname}` }, { timeoutMs });
  return path;
}
