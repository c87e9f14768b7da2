/** Sets HOME if the process was given none: to its user's home directory in the container's /etc/passwd. */
import { closeQuietly, tryOpen } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { readToEnd } from "../../sys/linux/whole-file.ts";
import { decodeUtf8 } from "../../util/text.ts";

const file = "/etc/passwd";
/** Far larger than any real one. The container controls the file, so the size must be bounded. */
const maxBytes = 1024 * 1024;

/** The environment, with HOME added if it is missing or empty. */
export function withHome(env: readonly string[], uid: number): string[] {
  const given = env.findLast((entry) => entry.startsWith("HOME="));
  if (given !== undefined && given !== "HOME=") return [...env];
  return [...env.filter((entry) => !entry.startsWith("HOME=")), `HOME=${homeOf(uid)}`];
}

/** `/` when the user is not listed, or the file cannot be read. */
function homeOf(uid: number): string {
  for (const line of readPasswd().split("\n")) {
    const [, , id, , , home] = line.split(":");
    if (id === String(uid) && home !== undefined && home !== "") return home;
  }
  return "/";
}

/** Empty when the file is missing or unreadable. */
function readPasswd(): string {
  const fd = tryOpen(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return "";
  try {
    return decodeUtf8(readToEnd(fd, maxBytes, file));
  } catch {
    return "";
  } finally {
    closeQuietly(fd);
  }
}
