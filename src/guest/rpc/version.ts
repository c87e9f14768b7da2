/** Health.Version. */
import { CheckRequest, VersionCheckResponse } from "../../protocol/gen/kata/health.ts";
import { agentVersion, protocolVersion } from "../version.ts";
import { rpc } from "./rpc.ts";

export const version = rpc("Version", CheckRequest, VersionCheckResponse, ({ bootRest }) => {
  bootRest.finishSoon();
  return { grpcVersion: protocolVersion, agentVersion };
});
