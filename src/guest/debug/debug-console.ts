/**
 * The debug console: a shell beside the containers, for people who look for a fault in the guest itself. It exists only
 * if the kernel command line asks for it, which containers cannot change, and only on ports that the host alone can
 * reach.
 */
import { whenExited } from "../../sys/engine/reaper.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NOCTTY, O_RDWR } from "../../sys/linux/open-flags.ts";
import { statIfExists } from "../../sys/linux/stat.ts";
import type { ByteStream } from "../../sys/os.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { encodeUtf8, oneLine } from "../../util/text.ts";
import type { DebugConsole } from "../kernel-parameters.ts";
import { receiveProgram } from "./given-program.ts";
import { runOnStream, type ShellProgram, startOn } from "./shell.ts";

export interface DebugConsoleHost {
  readonly log: Logger;
  /** Passes every stream for the port to the handler. */
  readonly serve: (port: number, handler: (stream: ByteStream) => void) => void;
}

/** Shells of the guest's image; Kumite's own image has none. */
const imageShells = ["/bin/bash", "/bin/sh"];
const noShell = "there is no shell in the guest's image";

/**
 * Serves the image's shell on the port, as other agents do, and on the next port a program that the host sends. Without
 * a port, runs the image's shell on the console.
 */
export function offerDebugConsole(host: DebugConsoleHost, { port }: DebugConsole): void {
  host.log.warn("the debug console is enabled: root on the host can open a shell in this guest");
  if (port === undefined) {
    onConsole(host.log);
    return;
  }
  host.serve(port, (stream) => void serveStream(host.log, stream, async () => ({ stream, program: imageShell() })));
  host.serve(port + 1, (stream) => void serveStream(host.log, stream, () => receiveProgram(stream)));
}

interface Session {
  /** The rest of the stream, after the announcement. */
  readonly stream: ByteStream;
  readonly program: ShellProgram;
}

async function serveStream(log: Logger, stream: ByteStream, begin: () => Promise<Session>): Promise<void> {
  try {
    const session = await begin();
    log.info("a debug shell has started");
    await runOnStream(session.stream, session.program);
    log.info("a debug shell has ended");
  } catch (error) {
    log.warn("a debug shell failed", { error: messageOf(error) });
    await stream.write(encodeUtf8(`ERROR ${oneLine(messageOf(error), 400)}\n`)).catch(() => {});
  } finally {
    stream.close();
  }
}

function imageShell(): ShellProgram {
  const path = imageShells.find((shell) => statIfExists(shell) !== undefined);
  if (path === undefined) throw new Error(noShell);
  return { path, argv: [path, "-i"], size: undefined, close: () => {} };
}

function onConsole(log: Logger): void {
  try {
    const program = imageShell();
    const console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
    const pid = startOn(console, program);
    closeQuietly(console);
    void whenExited(pid).then(() => log.info("the debug shell on the console has ended"));
  } catch (error) {
    log.warn("the console has no debug shell", { error: messageOf(error) });
  }
}
