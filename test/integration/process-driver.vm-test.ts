/**
 * The process driver against the contract of all drivers. Here and not beside its source: the look for left-overs sees
 * the whole machine, so nothing else may run meanwhile.
 */
import path from "node:path";
import { driverSuite } from "../../src/hypervisor/driver-suite.ts";
import { processDriver } from "../../src/hypervisor/process/process-driver.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";

const os = testOs();
const agent = path.join(testInstallRoot, "agent");

driverSuite("process", () => ({ os, driver: processDriver(os), guest: { kernel: "", initrd: "", agent } }));
