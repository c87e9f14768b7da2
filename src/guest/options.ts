/**
 * The agent's command line. As PID 1 of a VM it takes no options: the arguments are kernel parameters that the kernel
 * did not know. Under the process driver, options name the descriptor of its channel.
 */
import { KumiteError } from "../util/errors.ts";

export type AgentMode =
  /** PID 1 of a VM: owns the VM, its clock and its modules. */
  | { readonly kind: "machine" }
  /** In fresh namespaces of a host's kernel: must not change anything that belongs to the host. */
  | { readonly kind: "process"; readonly channelFd: number };

/**
 * @param argv without argv[0]
 * @throws KumiteError `usage/invalid`
 */
export function readOptions(argv: readonly string[], pid: number): AgentMode {
  // The kernel passes parameters it does not know to init; they are not the agent's options.
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
  if (!inProcess || channelFd === undefined) throw usage("the agent must run as PID 1 of a VM");
  return { kind: "process", channelFd };
}

function descriptor(text: string | undefined): number {
  if (text === undefined || !/^\d{1,6}$/.test(text)) throw usage(`--channel-fd needs a descriptor number, got ${text}`);
  return Number(text);
}

function usage(message: string): KumiteError {
  return new KumiteError("usage/invalid", message, { hint: "on a host: agent --channel-fd N --process" });
}
