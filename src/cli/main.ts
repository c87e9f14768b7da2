/** The command line `kumite`, on the small engine. */
import { engineOs } from "../sys/engine/engine-os.ts";
import { atStartWhileMemoryLasts, onUncaught } from "../sys/engine/loop.ts";
import { runCli } from "./run-cli.ts";

async function main(): Promise<void> {
  const os = engineOs();
  os.self.exit(await runCli(os, { onFault: onUncaught }));
}

atStartWhileMemoryLasts(main);
