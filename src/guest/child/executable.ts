/**
 * Finds the file of a program. Must be called in the process that will run the program, after it has entered its root
 * and directory and has become its user. Engines recognise the messages, to tell 126 and 127 from other failures.
 */
import { access, X_OK } from "../../sys/linux/directory.ts";
import { S_IFDIR, S_IFMT, S_IFREG, stat } from "../../sys/linux/stat.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";

/** @throws KumiteError `process/executable-not-found` */
export function findExecutable(name: string, env: readonly string[]): string {
  if (name.includes("/")) {
    const fault = faultOf(name);
    if (fault === undefined) return name;
    throw notExecutable(name, fault);
  }
  for (const directory of pathOf(env)) {
    const candidate = `${directory === "" ? "." : directory}/${name}`;
    if (faultOf(candidate) === undefined) return candidate;
  }
  throw notExecutable(name, "executable file not found in $PATH");
}

/** The directories of the last PATH in the environment; none if there is no PATH, as in runc. */
function pathOf(env: readonly string[]): string[] {
  const entry = env.findLast((text) => text.startsWith("PATH="));
  const path = entry?.slice("PATH=".length) ?? "";
  return path === "" ? [] : path.split(":");
}

function faultOf(path: string): string | undefined {
  try {
    const type = stat(path).mode & S_IFMT;
    if (type === S_IFDIR) return "is a directory";
    if (type !== S_IFREG) return "permission denied";
    access(path, X_OK);
    return undefined;
  } catch (error) {
    return isSystemError(error, "EACCES") ? "permission denied" : messageOf(error);
  }
}

function notExecutable(name: string, fault: string): KumiteError {
  return new KumiteError("process/executable-not-found", `exec: ${JSON.stringify(name)}: ${fault}`, { data: { name } });
}
