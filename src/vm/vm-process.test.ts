/** Runs the suite for `Vm` on the driver that boots no kernel. */
import { testInstallRoot } from "../../test/support/node-os.ts";
import { resolveConfig } from "../config/config.ts";
import { vmSuite } from "./vm-suite.ts";

vmSuite("process", () =>
  resolveConfig({ runtime: { hypervisor: "process" } }, { installRoot: testInstallRoot, hostCpus: 3 }),
);
