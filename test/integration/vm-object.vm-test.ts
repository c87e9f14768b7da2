/** The VM object that sandboxes and factories use, on QEMU. */
import { resolveConfig } from "../../src/config/config.ts";
import { vmSuite } from "../../src/vm/vm-suite.ts";
import { testInstallRoot } from "../support/node-os.ts";

vmSuite("qemu", () =>
  resolveConfig(
    { runtime: { hypervisor: "qemu" } },
    { installRoot: testInstallRoot, hostCpus: 3, hostMemoryMiB: 4096 },
  ),
);
