/**
 * Runs a small program of the host to its end: file system tools, which say what they have to say in a few lines.
 * It is born in the cgroup of whoever calls, and dies with it.
 */
import type { ChildProcess, Os } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { findTool } from "../util/find-tool.ts";
import { signalName, signalNumbers } from "../util/signals.ts";
import { decodeUtf8, oneLine } from "../util/text.ts";

export interface ToolRequest {
  /** A name, looked up in the system's directories: PATH may be missing, or somebody else's. */
  readonly tool: string;
  readonly args: readonly string[];
  /** The Debian package that has it, for the error. */
  readonly package: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Of its output; default 1 MiB. */
  readonly limitBytes?: number;
  /** What it reads; default nothing. */
  readonly input?: Uint8Array | undefined;
  /** Exit statuses that are answers; default 0 alone. */
  readonly statuses?: readonly number[];
}

export interface ToolResult {
  readonly status: number;
  readonly output: Uint8Array;
}

const maxErrorBytes = 64 * 1024;
const killTimeoutMs = 10_000;

/** @throws KumiteError `storage/failed` with what the program said; `timeout`, `aborted`: it is gone then */
export async function runTool(os: Os, request: ToolRequest): Promise<ToolResult> {
  const { tool, args, input, limitBytes = 1024 * 1024, statuses = [0] } = request;
  const path = await findTool(os, tool);
  if (path === undefined) {
    throw new KumiteError("storage/failed", `${tool} is not installed on this host`, {
      phase: "storage.tool",
      hint: `install the package ${request.package}`,
    });
  }
  const child = await os.processes.spawn({
    path,
    argv: [tool, ...args],
    env: { LC_ALL: "C" },
    cwd: "/",
    descriptors: { 1: { kind: "stream" }, 2: { kind: "stream" }, ...(input && { 0: { kind: "stream" } }) },
    parentDeathSignal: signalNumbers.SIGKILL,
    noNewPrivileges: true,
  });
  try {
    const all = () =>
      Promise.all([
        child.exited,
        collect(child, 1, limitBytes, tool),
        collect(child, 2, maxErrorBytes, tool),
        feed(child, input),
      ]);
    const [exit, output, errors] = await withDeadline(request.timeoutMs, tool, all, request.signal);
    if (exit.kind === "exited" && statuses.includes(exit.status)) return { status: exit.status, output };
    const how = exit.kind === "exited" ? `ended with status ${exit.status}` : `was ended by ${signalName(exit.signal)}`;
    const said = oneLine(decodeUtf8(errors).trim());
    throw new KumiteError("storage/failed", `${tool} ${how}${said === "" ? "" : `: ${said}`}`, {
      phase: "storage.tool",
      data: { command: [path, ...args].join(" ") },
    });
  } finally {
    child.kill(signalNumbers.SIGKILL);
    await withDeadline(killTimeoutMs, `the end of ${tool}`, () => child.exited).catch(() => {});
    for (const stream of child.streams.values()) stream.close();
  }
}

/** To one that ends without reading it, that is its answer. */
async function feed(child: ChildProcess, input: Uint8Array | undefined): Promise<void> {
  const stream = child.streams.get(0);
  if (stream === undefined || input === undefined) return;
  try {
    await stream.write(input);
    await stream.end();
  } catch (error) {
    if (!isSystemError(error, "EPIPE", "ECONNRESET")) throw error;
  }
}

function collect(child: ChildProcess, descriptor: number, limit: number, tool: string): Promise<Uint8Array> {
  const stream = child.streams.get(descriptor);
  if (stream === undefined) throw new KumiteError("internal", `${tool} has no stream ${descriptor}`);
  return readAll(stream, limit);
}
