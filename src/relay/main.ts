/** `kumite-relay`, on the small engine. Prints nothing: its descriptors are the workload's. */
import { parseRelayArguments } from "../shim-client/relay-arguments.ts";
import { engineOs } from "../sys/engine/engine-os.ts";
import { runRelay } from "./relay.ts";

/** Where the verb that started it listens for the boot message. */
const statusDescriptor = 3;

async function main(): Promise<void> {
  const os = engineOs();
  os.self.exit(await runRelay(os, parseRelayArguments(os.self.argv), os.self.stream(statusDescriptor)));
}

void main();
