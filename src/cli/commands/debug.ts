/** `kumite debug`: the console of a container's guest, or a shell in the guest beside its containers. */
import { sandboxPaths } from "../../persist/paths.ts";
import { sayDebugHello } from "../../shim-client/stdio-hello.ts";
import type { ByteStream } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { isKumiteError, KumiteError } from "../../util/errors.ts";
import { baseName, resolvePath } from "../../util/path.ts";
import { encodeUtf8, oneLine } from "../../util/text.ts";
import { callerTerminal } from "../caller-terminal.ts";
import type { VerbContext } from "../context.ts";
import { cleanText, joinTerminal, unchanged } from "../join-terminal.ts";
import { lookAtLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

/** Contract with the agent's `debug/debug-console.ts`: on this port the agent accepts a program to run. */
const programPort = 1027;
const defaultProgram = "/bin/busybox";
const maxAnswerBytes = 1024;

export async function debug(context: VerbContext, { args, flags }: Invocation<"debug">): Promise<number> {
  const [action, id = ""] = args;
  if (action === "console") return lookAtConsole(context, id, flags.raw);
  const { os } = context;
  const program = resolvePath(os.self.cwd(), flags.program ?? defaultProgram);
  const bytes = await readProgram(context, program);
  return runShell(context, id, { name: baseName(program), bytes });
}

async function lookAtConsole(context: VerbContext, id: string, raw: boolean): Promise<number> {
  const { os, output } = context;
  const stream = await connect(context, id, undefined);
  using terminal = callerTerminal(os, { kind: "terminal" });
  if (os.terminals.isTerminal(0)) await output.err("(the guest's console; Ctrl-] leaves it)\r\n");
  terminal.makeRaw();
  await joinTerminal(context, stream, { passEnd: false, leaveKey: true, show: raw ? unchanged : cleanText() });
  return 0;
}

interface ShellProgram {
  readonly name: string;
  readonly bytes: Uint8Array;
}

async function runShell(context: VerbContext, id: string, { name, bytes }: ShellProgram): Promise<number> {
  const { os, interruption } = context;
  const stream = await connect(context, id, programPort);
  using terminal = callerTerminal(os, { kind: "terminal" });
  const argv = name.startsWith("busybox") ? ["sh"] : [name];
  const announcement = { bytes: bytes.length, argv, ...terminal.size };
  // A guest that is stuck does not read.
  const sending = stream.write(encodeUtf8(`${JSON.stringify(announcement)}\n`)).then(() => stream.write(bytes));
  await raceAbort(sending, interruption.signal);
  const reader = new ByteReader(stream);
  const answer = await reader.readLine(maxAnswerBytes, interruption.signal);
  if (answer !== "OK") {
    throw new KumiteError(
      "agent/failed",
      `container ${id}: the guest did not start a debug shell: ${oneLine(answer ?? "it hung up")}`,
      {
        hint: `\`kumite logs ${id}\` may say more`,
      },
    );
  }
  terminal.makeRaw();
  await joinTerminal(context, reader.rest(), { passEnd: true, leaveKey: false, show: unchanged });
  return 0;
}

async function connect(context: VerbContext, id: string, port: number | undefined): Promise<ByteStream> {
  const { os, root, interruption } = context;
  const { sandboxId } = await lookAtLiving(context, id);
  const stream = await os.sockets.connect(sandboxPaths(root, sandboxId).socket, interruption.signal);
  const hello = port === undefined ? ({ target: "console", id } as const) : ({ target: "port", id, port } as const);
  try {
    return await sayDebugHello(stream, hello, interruption.signal);
  } catch (error) {
    stream.close();
    if (port === undefined || !isKumiteError(error, "shim/unreachable")) throw error;
    throw new KumiteError("oci/unsupported", `container ${id}: its guest has no debug shell`, {
      hint: "create the container with `kumite --set agent.kata.debug_console_enabled=true`, or set it in the configuration",
      cause: error,
    });
  }
}

async function readProgram({ os }: VerbContext, path: string): Promise<Uint8Array> {
  const hint = "install the package busybox-static, or name another static program with --program";
  if ((await os.files.status(path))?.kind !== "file") {
    throw new KumiteError("usage/invalid", `there is no program ${path} to run in the guest`, { hint });
  }
  const bytes = await os.files.readBytes(path, 32 * 1024 * 1024);
  // Judged by the program headers: a program that names an interpreter needs files that the guest lacks.
  if (!isStatic(bytes)) throw new KumiteError("usage/invalid", `${path} is not a statically linked program`, { hint });
  return bytes;
}

const elfMagic = 0x464c457f;
const programHeaderInterpreter = 3;

function isStatic(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0, true) !== elfMagic) return false;
  const [offset, size, count] = [
    Number(view.getBigUint64(32, true)),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  for (let at = offset; at < offset + size * count; at += size) {
    if (at + 4 > bytes.length || view.getUint32(at, true) === programHeaderInterpreter) return false;
  }
  return true;
}
