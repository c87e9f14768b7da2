/** The last import of the test executable: runs the tests that the others have defined. */
import { exit, processArguments } from "../../linux/process.ts";
import { runTests } from "./suite.ts";

exit(await runTests(processArguments()[1]));
