/**
 * The agent's command line. As PID 1 of a virtual machine it has none (the kernel passes what it does not know, which is
 * no business of ours); on a host, under the process driver, it is told which descriptor is its channel.
 */
import { KumiteError } from "../util/errors.ts";

export type AgentMode =
  /** PID 1 of a virtual machine: owns the machine, its clock and its modules. */
  | { readonly kind: "machine" }
  /** In fresh namespaces of a host's kernel: must not touch what belongs to the host. */
  | { readonly kind: "process"; readonly channelFd: number };

/** @param argv without argv[0]. Fails with `usage/invalid`. */
export function readOptions(argv: readonly string[], pid: number): AgentMode {
  // A kernel hands its unknown parameters to init: they are not options of ours.
  if (pid === 1 && !argv.includes("--process")) return { kind: "machine" };
  let channelFd: number | undefined;
  let inProcess = false;
  for (let at = 0; at < argv.length; at++) {
    switch (argv[at]) {
      case "--process":
        inProcess = true;
        break;
      case "--channel-fd":
        channelFd = descriptor(argv[++at]);
        break;
      default:
        throw usage(`unknown argument ${JSON.stringify(argv[at])}`);
    }
  }
  if (!inProcess || channelFd === undefined) throw usage("the agent runs as PID 1 of a virtual machine");
  return { kind: "process", channelFd };
}

function descriptor(text: string | undefined): number {
  if (text === undefined || !/^\d{1,6}$/.test(text)) throw usage(`--channel-fd needs a descriptor number, got ${text}`);
  return Number(text);
}

function usage(message: string): KumiteError {
  return new KumiteError("usage/invalid", message, { hint: "on a host: agent --channel-fd N --process" });
}
