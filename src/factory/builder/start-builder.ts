/** Starts the program that makes a template. The program ends by itself and outlives the process that started it. */
import type { Os } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { KumiteError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import type { BuildRequest } from "../build-template.ts";
import { factoryCgroups } from "../factory-cgroups.ts";
import { type BuildAnswer, builderDescriptor, builderName, maxBuildLine, parseAnswer } from "./protocol.ts";

const maxLogBytes = 128 * 1024;

export interface RunningBuilder {
  /**
   * Resolves when the template exists, whichever builder made it.
   * @throws KumiteError `system/failed` with the reason
   */
  readonly made: Promise<void>;
}

/** @throws SystemError if the builder cannot be started */
export async function startBuilder(os: Os, request: BuildRequest): Promise<RunningBuilder> {
  const { installRoot } = request.config;
  await os.files.makeDirs(request.store, 0o700);
  const log = `${request.store}/log`;
  // Each template adds a few lines.
  if (((await os.files.status(log))?.size ?? 0) > maxLogBytes) await os.files.rename(log, `${log}.1`);
  const child = await os.processes.spawn({
    path: `${installRoot}/kumite`,
    argv: [builderName, request.key],
    // The builder's programs find their libraries without the environment. PATH is for tools.
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    cwd: "/",
    newSession: true,
    cgroups: await factoryCgroups(os),
    descriptors: {
      2: { kind: "append", path: log, mode: 0o600 },
      [builderDescriptor]: { kind: "stream" },
    },
  });
  const stream = child.streams.get(builderDescriptor);
  if (stream === undefined) throw new KumiteError("internal", "the builder was started without a stream");
  await stream.write(encodeUtf8(`${JSON.stringify(request)}\n`));
  const answered = async (): Promise<void> => {
    const line = await new ByteReader(stream).readLine(maxBuildLine).catch(() => undefined);
    stream.close();
    const answer: BuildAnswer = parseAnswer(line) ?? { made: false, error: "its builder ended without an answer" };
    if (!answer.made)
      throw new KumiteError("system/failed", `the template could not be made: ${answer.error}`, {
        phase: "template.build",
      });
  };
  const made = answered();
  // A caller that does not wait for `made` must not get an unhandled rejection.
  made.catch(() => {});
  return { made };
}
