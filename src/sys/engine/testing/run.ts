/** Last import of the test executable: runs what the others defined. */
import { exit, processArguments } from "../../linux/process.ts";
import { runTests } from "./suite.ts";

exit(await runTests(processArguments()[1]));
