/** Another file behind a disk of a running machine, for one that was started before it was known what is on the disk. */
import type { Os } from "../../../sys/os.ts";
import type { Disk } from "../../spec.ts";
import { orWithThreads } from "../io-uring.ts";
import type { PlugContext } from "./context.ts";
import { handOver } from "./disks.ts";
import { plugFailed } from "./failure.ts";

/** As `MachinePlug.exchangeDisk`. Names are those that disks of the command line have. */
export async function exchangeDisk(os: Os, context: PlugContext, disk: Disk, signal?: AbortSignal): Promise<void> {
  const { id, path, readOnly } = disk;
  if (!readOnly) throw plugFailed(`disk ${id}: only what is never written to can be exchanged`, { data: { path } });
  await orWithThreads(os, context.log, [disk], async ([served = disk]) => exchange(os, context, served, signal));
}

async function exchange(os: Os, context: PlugContext, disk: Disk, signal: AbortSignal | undefined): Promise<void> {
  const { monitor } = context;
  const { id, path, cache: asked, aio = "threads" } = disk;
  const [image, file] = [`image-${id}`, `file-${id}`];
  const cache = { direct: asked?.direct ?? false, "no-flush": asked?.noFlush ?? false };
  // QEMU cannot open it itself.
  const set = await handOver(os, context, { kind: "read", path, direct: cache.direct }, signal);
  try {
    const filename = `/dev/fdset/${set}`;
    await monitor.execute(
      "blockdev-add",
      { driver: "file", "node-name": file, "read-only": true, cache, filename, aio },
      { signal },
    );
    // What is not said goes back to its default. The file of before is closed with its last user.
    const options = [{ driver: "raw", "node-name": image, "read-only": true, cache, file }] as const;
    await monitor.execute("blockdev-reopen", { options }, { signal });
  } catch (error) {
    await monitor.execute("blockdev-del", { "node-name": file }).catch(() => {});
    throw error;
  } finally {
    await monitor.execute("remove-fd", { "fdset-id": set }).catch(() => {});
  }
}
