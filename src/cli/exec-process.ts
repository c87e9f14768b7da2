/**
 * The process that `exec` runs: the JSON of `--process`, or a command for which the container's own process is the
 * template, changed by flags. Does not know how the process is started.
 */
import type { OciProcess } from "../oci/spec.ts";
import { loadProcess } from "../oci/validate.ts";
import type { Os, WindowSize } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { isAbsolutePath, resolvePath } from "../util/path.ts";
import type { Invocation } from "./parse.ts";

type ExecFlags = Invocation<"exec">["flags"];
type Capabilities = NonNullable<OciProcess["capabilities"]>;

/**
 * @param ownFile absolute path of the file with the container's own process
 * @throws KumiteError `usage/invalid`, `oci/spec-invalid`, `oci/bundle-invalid`
 */
export async function readExecProcess(
  os: Os,
  { flags, command }: Pick<Invocation<"exec">, "flags" | "command">,
  ownFile: string,
): Promise<OciProcess> {
  if (flags.process !== undefined) {
    if (command.length > 0) throw wrong("--process and a command cannot be given together");
    const process = await loadProcess(os, resolvePath(os.self.cwd(), flags.process));
    return flags.tty ? { ...process, terminal: true } : process;
  }
  if (command.length === 0) {
    throw wrong("no command was given", "write `kumite exec ID COMMAND`, or give the process with --process");
  }
  return withFlags(await loadProcess(os, ownFile), flags, command);
}

/** The process, with the size of its terminal filled in. */
export function withWindowSize(process: OciProcess, size: WindowSize | undefined): OciProcess {
  return size === undefined ? process : { ...process, consoleSize: { height: size.rows, width: size.columns } };
}

function withFlags(pattern: OciProcess, flags: ExecFlags, command: readonly string[]): OciProcess {
  const { consoleSize: _size, ...process } = pattern;
  const [first = "", ...more] = command;
  return {
    ...process,
    terminal: flags.tty,
    args: [first, ...more],
    env: [...(process.env ?? []), ...flags.env.map(checkVariable)],
    cwd: flags.cwd === undefined ? process.cwd : checkDirectory(flags.cwd),
    user: { ...process.user, ...parseUser(flags.user), ...moreGroups(process, flags["additional-gids"]) },
    ...(flags.cap.length > 0 && { capabilities: moreCapabilities(process, flags.cap) }),
    ...(flags["no-new-privs"] && { noNewPrivileges: true }),
    ...(flags.apparmor !== undefined && { apparmorProfile: flags.apparmor }),
    ...(flags["process-label"] !== undefined && { selinuxLabel: flags["process-label"] }),
  };
}

function checkVariable(text: string): string {
  if (text.indexOf("=") > 0) return text;
  throw wrong(`--env: invalid environment variable "${text}"`, "write NAME=VALUE");
}

function checkDirectory(path: string): string {
  if (isAbsolutePath(path)) return path;
  throw wrong(`--cwd: "${path}" is not an absolute path`, "name a directory as the container sees it");
}

/** A UID alone keeps the template's group, as with runc. */
function parseUser(text: string | undefined): { uid?: number; gid?: number } {
  if (text === undefined) return {};
  const [uid, gid, ...more] = text.split(":");
  if (more.length > 0) throw wrong(`--user: "${text}" is not UID or UID:GID`);
  return { uid: numericId("--user", uid), ...(gid !== undefined && { gid: numericId("--user", gid) }) };
}

function moreGroups({ user }: OciProcess, gids: readonly string[]): { additionalGids?: number[] } {
  if (gids.length === 0) return {};
  return {
    additionalGids: [...(user?.additionalGids ?? []), ...gids.map((gid) => numericId("--additional-gids", gid))],
  };
}

function numericId(flag: string, text = ""): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  // To the kernel, 2^32-1 means "do not change".
  if (id < 0xffff_ffff) return id;
  throw wrong(
    `${flag}: "${text}" is not a numeric id`,
    "names are not looked up: use the number from the container's /etc/passwd or /etc/group",
  );
}

function moreCapabilities({ capabilities = {} }: OciProcess, names: readonly string[]): Capabilities {
  const added = names.map(capabilityName);
  const joined = (present: readonly string[] | undefined) => [...new Set([...(present ?? []), ...added])];
  // As with runc 1.1, the inheritable set stays as it is: nobody asked to pass capabilities on across execve.
  return {
    ...capabilities,
    bounding: joined(capabilities.bounding),
    effective: joined(capabilities.effective),
    permitted: joined(capabilities.permitted),
  };
}

function capabilityName(text: string): string {
  const upper = text.toUpperCase();
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (/^CAP_[A-Z_0-9]+$/.test(name)) return name;
  throw wrong(`--cap: "${text}" is not a capability`, "write a name such as CAP_NET_ADMIN");
}

function wrong(message: string, hint = "see `kumite exec --help`"): KumiteError {
  return new KumiteError("usage/invalid", `exec: ${message}`, { hint });
}
