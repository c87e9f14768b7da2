/**
 * Replaces the file behind a disk of a running VM, for a VM that was started before the content of the disk was known.
 */
import type { Os } from "../../../sys/os.ts";
import type { Disk } from "../../spec.ts";
import { orWithThreads } from "../io-uring.ts";
import type { PlugContext } from "./context.ts";
import { handOver } from "./disks.ts";
import { plugFailed } from "./failure.ts";
import { takeBack } from "./undoing.ts";

/** As `MachinePlug.exchangeDisk`. Names follow the same scheme as for disks on the command line. */
export async function exchangeDisk(os: Os, context: PlugContext, disk: Disk, signal?: AbortSignal): Promise<void> {
  const { id, path, readOnly } = disk;
  if (!readOnly) throw plugFailed(`disk ${id}: only a read-only disk can be exchanged`, { data: { path } });
  await orWithThreads(os, context.log, [disk], async ([served = disk]) => exchange(os, context, served, signal));
}

async function exchange(os: Os, context: PlugContext, disk: Disk, signal: AbortSignal | undefined): Promise<void> {
  const { monitor } = context;
  const { id, path, cache: asked, aio = "threads" } = disk;
  const [image, file] = [`image-${id}`, `file-${id}`];
  const cache = { direct: asked?.direct ?? false, "no-flush": asked?.noFlush ?? false };
  // QEMU cannot open the file itself.
  const set = await handOver(os, context, { kind: "read", path, direct: cache.direct }, signal);
  try {
    const filename = `/dev/fdset/${set}`;
    await monitor.execute(
      "blockdev-add",
      { driver: "file", "node-name": file, "read-only": true, cache, filename, aio },
      { signal },
    );
    // `blockdev-reopen` resets omitted options to their defaults. The previous file is closed with its last user.
    const options = [{ driver: "raw", "node-name": image, "read-only": true, cache, file }] as const;
    await monitor.execute("blockdev-reopen", { options }, { signal });
  } catch (error) {
    await takeBack(context, file, () => monitor.execute("blockdev-del", { "node-name": file }));
    throw error;
  } finally {
    await takeBack(context, `set ${set} with ${path}`, () => monitor.execute("remove-fd", { "fdset-id": set }));
  }
}
