/** The shape that most containers of this host need, for code that makes a template before there is a container. */
import type { Os } from "../sys/os.ts";
import { findTool } from "../util/find-tool.ts";
import type { MachineShape } from "./template-store.ts";

/** With mkfs.erofs, root file systems are turned into images. */
export async function usualShape(os: Os): Promise<MachineShape> {
  return (await findTool(os, "mkfs.erofs")) === undefined ? "directory" : "layers";
}
