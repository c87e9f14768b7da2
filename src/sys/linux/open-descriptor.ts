/** Opens the descriptors that a process is given. */
import * as native from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { baseName, dirName } from "../../util/path.ts";
import { encodeUtf8 } from "../../util/text.ts";
import type { OpenedDescriptor } from "../os.ts";
import { failure } from "./check.ts";
import { closeQuietly, open } from "./file.ts";
import { openTap } from "./interface.ts";
import { O_CLOEXEC, O_DIRECT, O_DIRECTORY, O_NOCTTY, O_PATH, O_RDONLY, O_RDWR } from "./open-flags.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket, unixAddress, unixPathMax } from "./socket.ts";

/** Close-on-exec, and blocking, as programs expect inherited descriptors to be. */
export function openDescriptor(descriptor: OpenedDescriptor): number {
  const { kind, path } = descriptor;
  switch (kind) {
    case "read":
    case "readWrite": {
      const access = kind === "read" ? O_RDONLY : O_RDWR;
      return open(path, access | (descriptor.direct === true ? O_DIRECT : 0) | O_NOCTTY | O_CLOEXEC);
    }
    case "connect":
      return withShortPath(path, (short) => connectNow(short));
    case "tap":
      return openTap(path);
  }
}

function connectNow(path: string): number {
  const address = unixAddress(path);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC);
  const result = native.connect(fd, address, 0, address.length);
  if (result >= 0) return fd;
  closeQuietly(fd);
  throw failure(result, "connect", path);
}

/** Accesses a path that is too long for a socket address through its directory. */
export function withShortPath(path: string, act: (path: string) => number): number {
  if (encodeUtf8(path).length <= unixPathMax) return act(path);
  const directory = open(dirName(path), O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    return act(`/proc/self/fd/${directory}/${baseName(path)}`);
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, error.call, path) : error;
  } finally {
    closeQuietly(directory);
  }
}
