/** `kumite-relay`, on the small engine. Prints nothing: its descriptors are the workload's. */
import { parseRelayArguments, type RelayOptions } from "../shim-client/relay-arguments.ts";
import { engineOs } from "../sys/engine/engine-os.ts";
import { atStart } from "../sys/engine/loop.ts";
import { chdir } from "../sys/linux/directory.ts";
import { baseName, dirName } from "../util/path.ts";
import { enterContainerRoot } from "./container-root.ts";
import { runRelay } from "./relay.ts";

/** Where the verb that started it listens for the boot message. */
const statusDescriptor = 3;

async function main(): Promise<void> {
  const os = engineOs();
  const options = fromItsDirectory(parseRelayArguments(os.self.argv));
  const { view } = options;
  const enterRoot = view && (() => enterContainerRoot(view));
  os.self.exit(await runRelay(os, options, os.self.stream(statusDescriptor), enterRoot));
}

/** The shim's socket has to be found when the root is no longer the host's. */
function fromItsDirectory(options: RelayOptions): RelayOptions {
  chdir(dirName(options.socket));
  return { ...options, socket: baseName(options.socket) };
}

atStart(main);
