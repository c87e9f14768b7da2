/** The shape that most containers of a host will want, for whoever makes a template before there is a container. */
import type { Os } from "../sys/os.ts";
import { findTool } from "../util/find-tool.ts";
import type { MachineShape } from "./template-store.ts";

/** An image is made of a root file system where the host can. */
export async function usualShape(os: Os): Promise<MachineShape> {
  return (await findTool(os, "mkfs.erofs")) === undefined ? "directory" : "layers";
}
