/** `kumite-relay`, on the small engine. It prints nothing, because its descriptors are the workload's. */
import { parseRelayArguments, type RelayOptions } from "../shim-client/relay-arguments.ts";
import { engineOs } from "../sys/engine/engine-os.ts";
import { atStartWhileMemoryLasts } from "../sys/engine/loop.ts";
import { chdir } from "../sys/linux/directory.ts";
import { baseName, dirName } from "../util/path.ts";
import { enterContainerRoot } from "./container-root.ts";
import { runRelay } from "./relay.ts";

/** The verb that started the relay reads the boot message from this descriptor. */
const statusDescriptor = 3;

async function main(): Promise<void> {
  const os = engineOs();
  const options = fromItsDirectory(parseRelayArguments(os.self.argv));
  const { view } = options;
  const enterRoot = view && (() => enterContainerRoot(view));
  os.self.exit(await runRelay(os, options, os.self.stream(statusDescriptor), enterRoot));
}

/**
 * Makes the path of the shim's socket relative to the current directory, since the root will not be the host's any
 * more.
 */
function fromItsDirectory(options: RelayOptions): RelayOptions {
  chdir(dirName(options.socket));
  return { ...options, socket: baseName(options.socket) };
}

atStartWhileMemoryLasts(main);
