/** The flags and the bundle of `create` and `run`, checked before anything is made. */
import { type Bundle, loadBundle } from "../oci/bundle.ts";
import { checkContainerId } from "../oci/container-id.ts";
import { containerRoleOf } from "../oci/container-role.ts";
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { resolvePath } from "../util/path.ts";
import type { VerbContext } from "./context.ts";
import type { Invocation } from "./parse.ts";
import { checkPidFile } from "./pid-file.ts";
import { chooseStdio, hasTerminal, refusePreservedFds } from "./stdio-choice.ts";

type CreationFlags = Invocation<"create">["flags"];

export interface ContainerRequest {
  readonly id: string;
  readonly bundle: Bundle;
  /** The sandbox that the container is added to; `undefined` to create a new one. */
  readonly sandboxId: string | undefined;
  readonly stdio: RelayStdio;
  /** Absolute path. */
  readonly pidFile: string | undefined;
  /** The container's processes share the VM's session keyring. */
  readonly noNewKeyring: boolean;
  /** The verb stays until the program has ended. */
  readonly foreground: boolean;
}

/**
 * @throws KumiteError `container/bad-id`, `oci/bundle-invalid`, `oci/spec-invalid`, `oci/unsupported`, `usage/invalid`
 */
export async function readContainerRequest(
  { os }: VerbContext,
  id: string,
  flags: CreationFlags,
  foreground: boolean,
): Promise<ContainerRequest> {
  const absolute = (path: string | undefined) => path && resolvePath(os.self.cwd(), path);
  checkContainerId(id);
  refusePreservedFds(flags["preserve-fds"]);
  const bundle = await loadBundle(os, absolute(flags.bundle) ?? os.self.cwd(), absolute(flags.config));
  const sandboxId = sandboxOf(bundle);
  inheritEnvironment(bundle, os.self.env);
  const stdio = chooseStdio({
    terminal: bundle.spec.process.terminal ?? false,
    consoleSocket: absolute(flags["console-socket"]),
    foreground,
    callerHasTerminal: () => hasTerminal(os),
  });
  const pidFile = absolute(flags["pid-file"]);
  if (pidFile !== undefined) await checkPidFile(os, pidFile);
  return { id, bundle, sandboxId, stdio, pidFile, noNewKeyring: flags["no-new-keyring"], foreground };
}

/** Engines that manage pods name the sandbox in annotations. */
function sandboxOf({ configFile, spec }: Bundle): string | undefined {
  try {
    const role = containerRoleOf(spec.annotations);
    if (role.type !== "pod_container") return undefined;
    checkContainerId(role.sandboxId);
    return role.sandboxId;
  } catch (error) {
    if (!isKumiteError(error)) throw error;
    const { code, message, hint, data } = error;
    throw new KumiteError(code, `${configFile}: ${message}`, {
      phase: "bundle.load",
      ...(hint !== undefined && { hint }),
      data: { file: configFile, ...data },
    });
  }
}

/** A host hook without `env` inherits its caller's environment, which the shim does not have, so fill it in here. */
function inheritEnvironment({ spec: { hooks = {} } }: Bundle, env: Readonly<Record<string, string>>): void {
  const { prestart = [], createRuntime = [], poststart = [], poststop = [] } = hooks;
  for (const hook of [...prestart, ...createRuntime, ...poststart, ...poststop]) {
    hook.env ??= Object.entries(env).map(([name, value]) => `${name}=${value}`);
  }
}
