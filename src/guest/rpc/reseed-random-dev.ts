/** ReseedRandomDev: feeds random bytes from the host, for a guest whose memory is a copy of another's. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { ReseedRandomDevRequest } from "../../protocol/gen/kata/agent.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_WRONLY } from "../../sys/linux/open-flags.ts";
import { addEntropy, reseedGenerator } from "../../sys/linux/random.ts";
import { KumiteError } from "../../util/errors.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

const longestBytes = 65536;

export const reseedRandomDev = rpc("ReseedRandomDev", ReseedRandomDevRequest, Empty, (agent, { data }) => {
  refuseWithoutKernel(agent, "feed the random generator");
  if (data.length === 0 || data.length > longestBytes) {
    throw new KumiteError("usage/invalid", `a seed must have 1 to ${longestBytes} bytes, not ${data.length}`);
  }
  const fd = open("/dev/random", O_WRONLY | O_CLOEXEC);
  try {
    addEntropy(fd, data);
    reseedGenerator(fd);
  } finally {
    closeQuietly(fd);
  }
  return undefined;
});
