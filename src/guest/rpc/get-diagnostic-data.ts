/** GetDiagnosticData: diagnostics of the guest. There is one kind: the timeline of its boot. */
import { GetDiagnosticDataRequest, GetDiagnosticDataResponse } from "../../protocol/gen/kata/agent.ts";
import { grpcCode } from "../../protocol/ttrpc/grpc-code.ts";
import { TtrpcError } from "../../protocol/ttrpc/status.ts";
import { bootMs } from "../boot/boot-marks.ts";
import { rpc } from "./rpc.ts";

const bootTimeline = "boot-timeline";

export const getDiagnosticData = rpc(
  "GetDiagnosticData",
  GetDiagnosticDataRequest,
  GetDiagnosticDataResponse,
  ({ bootMarks }, { logType }) => {
    if (logType !== bootTimeline) {
      throw new TtrpcError(
        grpcCode.invalidArgument,
        `unknown type of diagnostic data ${JSON.stringify(logType.slice(0, 100))}`,
      );
    }
    return { data: JSON.stringify({ nowMs: bootMs(), marks: bootMarks.marks }) };
  },
);
