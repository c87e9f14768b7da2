/** The command line of a relay, written by the verb that starts it and read by the relay's `main.ts`. */
import { KumiteError } from "../util/errors.ts";

/** Where the process's streams are on the host. */
export type RelayStdio =
  /** Descriptors 0, 1 and 2, inherited. */
  | { readonly kind: "streams" }
  /** The terminal on descriptors 0 and 1, inherited; changes of its size are passed on. */
  | { readonly kind: "terminal" }
  /** A terminal made by the relay, whose master is sent to this unix socket. */
  | { readonly kind: "console-socket"; readonly path: string };

/**
 * What an engine finds when it enters the relay's mount namespace, as `podman cp` does: the container's files as the
 * host sees them, and none of the host's own files.
 */
export interface RootView {
  /** Absolute path of the root file system. */
  readonly root: string;
  readonly readOnly: boolean;
  /** The container's root user, if the host knows it by other ids. Missing mount points are created as this user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Bind mounts, in their order: absolute path of the source on the host, path in the container. */
  readonly binds: readonly { readonly source: string; readonly destination: string; readonly readOnly: boolean }[];
  /** Omit sources with a symbolic link in their path, because a running guest may change it. Default false. */
  readonly withoutLinks?: boolean;
}

export interface RelayOptions {
  /** Path of the shim's socket. */
  readonly socket: string;
  readonly id: string;
  /** `undefined` for the container's own process. */
  readonly execId: string | undefined;
  readonly stdio: RelayStdio;
  /** Only for a container's own process, since engines enter its namespaces. */
  readonly view?: RootView;
}

/** argv of the relay, including its name. `ps` shows role and id. */
export function formatRelayArguments({ socket, id, execId, stdio, view }: RelayOptions): string[] {
  const words = ["kumite-relay", "--socket", socket, "--id", id];
  if (execId !== undefined) words.push("--exec", execId);
  if (view !== undefined) words.push("--view", JSON.stringify(view));
  switch (stdio.kind) {
    case "streams":
      return words;
    case "terminal":
      return [...words, "--terminal"];
    case "console-socket":
      return [...words, "--console-socket", stdio.path];
  }
}

/** The inverse of `formatRelayArguments`. @throws KumiteError `usage/invalid` */
export function parseRelayArguments(argv: readonly string[]): RelayOptions {
  const values = new Map<string, string>();
  let terminal = false;
  for (let at = 1; at < argv.length; at++) {
    const flag = argv[at] ?? "";
    if (flag === "--terminal") {
      terminal = true;
      continue;
    }
    const value = argv[++at];
    if (!valueFlags.includes(flag) || value === undefined) throw wrong(`unexpected argument "${flag}"`);
    values.set(flag, value);
  }
  const socket = values.get("--socket");
  const id = values.get("--id");
  if (socket === undefined || id === undefined) throw wrong("--socket and --id are required");
  const console = values.get("--console-socket");
  const view = values.get("--view");
  return {
    socket,
    id,
    execId: values.get("--exec"),
    stdio:
      console === undefined ? { kind: terminal ? "terminal" : "streams" } : { kind: "console-socket", path: console },
    ...(view !== undefined && { view: JSON.parse(view) as RootView }),
  };
}

const valueFlags: readonly string[] = ["--socket", "--id", "--exec", "--console-socket", "--view"];

function wrong(what: string): KumiteError {
  return new KumiteError("usage/invalid", `kumite-relay: ${what}`, {
    hint: "relays are started by the verbs `create`, `run` and `exec`",
  });
}
