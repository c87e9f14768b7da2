/**
 * `kumite-template`, on the small engine: makes one template. It reads the request from descriptor 3 and answers there;
 * the process that started it need not wait for the answer. Logs to standard error.
 */
import type { Config } from "../../config/config.ts";
import { engineOs } from "../../sys/engine/engine-os.ts";
import { onUncaught } from "../../sys/engine/loop.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { messageWithCauses } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { createLogger, textSink } from "../../util/log.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { type BuildRequest, buildTemplate } from "../build-template.ts";
import { type BuildAnswer, builderDescriptor, maxBuildLine } from "./protocol.ts";

const statusFailed = 1;
/** Enough for two boots on a busy host that emulates. */
const timeoutMs = 180_000;

async function main(): Promise<number> {
  const stream = os.self.stream(builderDescriptor);
  const log = createLogger({ sink: textSink(writeLog), now: os.clock.now, level: "info", fields: {} });
  let answer: BuildAnswer;
  try {
    const request = parseJson((await new ByteReader(stream).readLine(maxBuildLine)) ?? "null");
    if (!isRequest(request)) throw new Error("the request is not for a template");
    await withDeadline(timeoutMs, "making the template", (signal) => buildTemplate(os, request, log, signal));
    answer = { made: true };
  } catch (error) {
    answer = { made: false, error: messageWithCauses(error) };
    log.error(`the template could not be made: ${answer.error}`);
  }
  // There may be no reader.
  await stream.write(encodeUtf8(`${JSON.stringify(answer)}\n`)).catch(() => {});
  return answer.made ? 0 : statusFailed;
}

/** Checks only the structure: the request comes from our own code, which has checked the configuration. */
function isRequest(value: unknown): value is BuildRequest & { readonly config: Config } {
  return isRecord(value) && isRecord(value.config) && typeof value.store === "string" && typeof value.key === "string";
}

const os = engineOs();
const standardError = os.self.stream(2);
function writeLog(line: string): void {
  standardError.write(encodeUtf8(line)).catch(() => {});
}
onUncaught((error) => {
  writeLog(`kumite-template: ${messageWithCauses(error)}\n`);
  os.self.exit(statusFailed);
});
os.self.exit(await main());
