/** Runs a build tool and explains its failure. */
import { spawn } from "node:child_process";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Default 15 minutes. */
  readonly timeoutMs?: number;
  /** Called with each piece of standard output as it arrives, for progress. */
  readonly onOutput?: (text: string) => void;
}

/** Resolves with the standard output. A failing command rejects with its command line and its output. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, LC_ALL: "C", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 15 * 60_000,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      options.onOutput?.(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? new Error(`${command} is not installed; run \`npm run setup\``) : error),
    );
    child.on("close", (status, signal) => {
      if (status === 0) resolve(stdout);
      else
        reject(
          new Error(`${command} ${args.join(" ")} failed (${signal ?? `status ${status}`})\n${stdout}${stderr}`.trim()),
        );
    });
  });
}

/** Prints one line of progress. */
export function progress(text: string): void {
  process.stderr.write(`engine: ${text}\n`);
}
