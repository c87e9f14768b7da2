/** `kumite-helper`: makes system calls for a Node process over a socket, and ends with it. See protocol.ts. */
import { ByteReader } from "../../util/byte-reader.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { engineOs } from "../engine/engine-os.ts";
import { onUncaught } from "../engine/loop.ts";
import type { ByteStream } from "../os.ts";
import { parseHelperRequest } from "./parse-request.ts";
import { type HelperRequest, type HelperResponse, helperDescriptor, maxLineBytes } from "./protocol.ts";
import { asSystemError, HelperService } from "./service.ts";

/** A line that is no request: the caller is broken. */
const statusBadRequest = 2;

async function serve(stream: ByteStream): Promise<void> {
  const service = new HelperService(os);
  const reader = new ByteReader(stream);
  for (;;) {
    const line = await reader.readLine(maxLineBytes);
    if (line === undefined) return;
    // Not awaited: a lock that waits must not keep its own cancellation from being read.
    void answer(service, stream, parseHelperRequest(line));
  }
}

async function answer(service: HelperService, stream: ByteStream, request: HelperRequest): Promise<void> {
  const response = await respond(service, request);
  // A caller that is gone also ends the reading, which ends us.
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
