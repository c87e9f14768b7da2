/** The command line of an engine (podman, docker, buildah), bound to an environment of its own. Knows no engine. */
import assert from "node:assert/strict";
import { begin, type CommandOptions, describe, execute, type Finished, type Running } from "../support/command.ts";
import { onTerminal, type Terminal, type TerminalEnd } from "../support/terminal.ts";
import { runtimePath } from "../support/workplace.ts";

export class EngineClient {
  constructor(
    /** The program, and the arguments before every verb. */
    private readonly prefix: readonly string[],
    /** The whole environment. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  argv(args: readonly string[]): string[] {
    return [...this.prefix, ...args];
  }

  call(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    return execute(this.argv(args), { ...options, env: this.env });
  }

  begin(args: readonly string[], options: CommandOptions = {}): Running {
    return begin(this.argv(args), { ...options, env: this.env });
  }

  /** Throws if the status is not 0. */
  async must(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    const finished = await this.call(args, options);
    if (finished.status !== 0) throw new Error(describe(finished));
    return finished;
  }

  /** Returns stdout, without surrounding white space. */
  async ask(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return (await this.must(args, options)).stdout.trim();
  }

  onTerminal(args: readonly string[], rows?: number, columns?: number): Promise<Terminal> {
    const env = Object.entries(this.env).map(([name, value]) => `${name}=${value}`);
    return onTerminal(["env", "-i", ...env, ...this.argv(args)], rows, columns);
  }
}

/** The arguments start a shell on a terminal: it has the terminal's size, and its status is passed on. */
export async function expectInteractiveShell(client: EngineClient, args: readonly string[]): Promise<TerminalEnd> {
  const terminal = await client.onTerminal(args, 31, 103);
  await terminal.until("# ");
  terminal.type("stty size\r");
  await terminal.until("31 103");
  terminal.type("exit 13\r");
  const end = await terminal.ended;
  assert.equal(end.status, 13, end.shown);
  return end;
}

/** What every engine needs in its environment. */
export function plainEnvironment(home: string): Record<string, string> {
  return { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", HOME: home, TERM: "xterm" };
}

/** Engines need the absolute path of the runtime. */
export async function absoluteRuntime(runtime = runtimePath): Promise<string> {
  return (await execute(["sh", "-c", `command -v "$0"`, runtime])).stdout.trim();
}
