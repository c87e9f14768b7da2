/** SetGuestDateTime. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { SetGuestDateTimeRequest } from "../../protocol/gen/kata/agent.ts";
import { CLOCK_REALTIME, clock_settime } from "../../sys/linux/time.ts";
import { KumiteError } from "../../util/errors.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

export const setGuestDateTime = rpc("SetGuestDateTime", SetGuestDateTimeRequest, Empty, (agent, { Sec, Usec }) => {
  refuseWithoutKernel(agent, "set the clock");
  if (Sec < 0n || Usec < 0n || Usec >= 1_000_000n) {
    throw new KumiteError("usage/invalid", `${Sec} seconds and ${Usec} microseconds are not a valid time`);
  }
  clock_settime(CLOCK_REALTIME, Sec, Number(Usec) * 1000);
  return undefined;
});
