/**
 * Tests the process driver against the contract of all drivers. The test is here instead of next to its source because
 * the guard against left-overs sees the whole host, so nothing else may run at the same time.
 */
import path from "node:path";
import { driverSuite } from "../../src/hypervisor/driver-suite.ts";
import { processDriver } from "../../src/hypervisor/process/process-driver.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";

const os = testOs();
const agent = path.join(testInstallRoot, "agent");

driverSuite("process", () => ({ os, driver: processDriver(os), guest: { kernel: "", initrd: "", agent } }));
