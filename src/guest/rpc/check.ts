/** Health.Check: an agent that answers is healthy. */
import {
  CheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
} from "../../protocol/gen/kata/health.ts";
import { rpc } from "./rpc.ts";

export const check = rpc("Check", CheckRequest, HealthCheckResponse, ({ bootRest }) => {
  bootRest.finishSoon();
  return { status: HealthCheckResponse_ServingStatus.SERVING };
});
