/** HOME of a process that was given none: its user's, from /etc/passwd of the container. */
import { closeQuietly, tryOpen } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { readToEnd } from "../../sys/linux/whole-file.ts";
import { decodeUtf8 } from "../../util/text.ts";

const file = "/etc/passwd";
/** Far above any real one; the file is the container's, which may say what it likes. */
const maxBytes = 1024 * 1024;

/** The environment, with HOME if it lacks one or has an empty one. */
export function withHome(env: readonly string[], uid: number): string[] {
  const given = env.findLast((entry) => entry.startsWith("HOME="));
  if (given !== undefined && given !== "HOME=") return [...env];
  return [...env.filter((entry) => !entry.startsWith("HOME=")), `HOME=${homeOf(uid)}`];
}

/** `/` when the user is not listed, or there is no list that can be read. */
function homeOf(uid: number): string {
  for (const line of readPasswd().split("\n")) {
    const [, , id, , , home] = line.split(":");
    if (id === String(uid) && home !== undefined && home !== "") return home;
  }
  return "/";
}

/** Empty when there is none that can be read. */
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
