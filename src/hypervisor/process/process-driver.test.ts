import { join } from "node:path";
import { testInstallRoot, testOs } from "../../../test/support/node-os.ts";
import { driverSuite } from "../driver-suite.ts";
import { processDriver } from "./process-driver.ts";

const os = testOs();
const agent = join(testInstallRoot, "agent");

driverSuite("process", () => ({ os, driver: processDriver(os), guest: { kernel: "", initrd: "", agent } }));
