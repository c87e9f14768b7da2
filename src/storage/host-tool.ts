/**
 * Runs a program of the host to its end, such as a file system tool whose output is short. The program is born in the
 * caller's cgroup and dies with the caller.
 */
import type { ChildProcess, Os } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, isSystemError, KumiteError } from "../util/errors.ts";
import { findTool } from "../util/find-tool.ts";
import { signalName, signalNumbers } from "../util/signals.ts";
import { decodeUtf8, oneLine } from "../util/text.ts";

export interface ToolRequest {
  /** The program's name. It is looked up in system directories, because PATH may be missing or set by somebody else. */
  readonly tool: string;
  readonly args: readonly string[];
  /** The Debian package with the program, for the error. */
  readonly package: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Limit on the output; default 1 MiB. */
  readonly limitBytes?: number;
  /** What the program works on, for the error about too much output. */
  readonly subject?: string;
  /** Standard input; default empty. */
  readonly input?: Uint8Array | undefined;
  /** Exit statuses that count as success; default only 0. */
  readonly statuses?: readonly number[];
}

export interface ToolResult {
  readonly status: number;
  readonly output: Uint8Array;
}

const maxErrorBytes = 64 * 1024;
const killTimeoutMs = 10_000;

/**
 * @throws KumiteError `storage/failed` with the program's error output; `timeout`, `aborted`. The program is gone in
 *   each case.
 */
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
        collect(child, 1, limitBytes, request),
        collect(child, 2, maxErrorBytes, request),
        feed(child, input),
      ]);
    const [exit, output, errors] = await withDeadline(request.timeoutMs, tool, all, request.signal);
    if (exit.kind === "exited" && statuses.includes(exit.status)) return { status: exit.status, output };
    const how =
      exit.kind === "exited" ? `ended with status ${exit.status}` : `was killed by ${signalName(exit.signal)}`;
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

/** A program may end without reading its input; its exit status then says why. */
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

async function collect(
  child: ChildProcess,
  descriptor: number,
  limit: number,
  { tool, subject }: ToolRequest,
): Promise<Uint8Array> {
  const stream = child.streams.get(descriptor);
  if (stream === undefined) throw new KumiteError("internal", `${tool} has no stream ${descriptor}`);
  try {
    return await readAll(stream, limit);
  } catch (error) {
    if (!isKumiteError(error, "protocol/violation")) throw error;
    const about = subject === undefined ? "" : ` about ${subject}`;
    throw new KumiteError("storage/failed", `${tool} printed more than ${limit} bytes${about}`, {
      phase: "storage.tool",
    });
  }
}
