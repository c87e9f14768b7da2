/** Every process of every container costs the agent descriptors: it takes all it may have. */
import { prlimit, RLIMIT_NOFILE } from "../../sys/linux/process.ts";
import { isSystemError } from "../../util/errors.ts";

/** The kernel's default for the highest that anybody may have (fs.nr_open). */
const most = 1_048_576n;

export function raiseDescriptorLimit(): void {
  try {
    prlimit(0, RLIMIT_NOFILE, { soft: most, hard: most });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const { hard } = prlimit(0, RLIMIT_NOFILE);
    prlimit(0, RLIMIT_NOFILE, { soft: hard, hard });
  }
}
