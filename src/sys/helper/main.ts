/**
 * `kumite-helper`: makes system calls for a Node process over a socket, and ends with that process. See protocol.ts.
 */
import { ByteReader } from "../../util/byte-reader.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { engineOs } from "../engine/engine-os.ts";
import { onUncaught } from "../engine/loop.ts";
import type { ByteStream } from "../os.ts";
import { parseHelperRequest } from "./parse-request.ts";
import { type HelperRequest, type HelperResponse, helperDescriptor, maxLineBytes } from "./protocol.ts";
import { asSystemError, HelperService } from "./service.ts";

/** The line is not a valid request, so the caller has a bug. */
const statusBadRequest = 2;

async function serve(stream: ByteStream): Promise<void> {
  const service = new HelperService(os);
  const reader = new ByteReader(stream);
  for (;;) {
    const line = await reader.readLine(maxLineBytes);
    if (line === undefined) return;
    // Not awaited, so that the cancellation of a waiting request can be read.
    void answer(service, stream, parseHelperRequest(line));
  }
}

async function answer(service: HelperService, stream: ByteStream, request: HelperRequest): Promise<void> {
  const response = await respond(service, request);
  // If the caller is gone, reading ends as well, which ends the helper.
  await stream.write(encodeUtf8(`${JSON.stringify(response)}\n`)).catch(() => {});
}

async function respond(service: HelperService, request: HelperRequest): Promise<HelperResponse> {
  const { id } = request;
  try {
    return { id, ok: true, value: await service.serve(request) };
  } catch (error) {
    const { errno, call, subject } = asSystemError(error, request.kind);
    return { id, ok: false, error: subject === undefined ? { errno, call } : { errno, call, subject } };
  }
}

const os = engineOs();
onUncaught(() => os.self.exit(statusBadRequest));
await serve(os.self.stream(helperDescriptor));
os.self.exit(0);
