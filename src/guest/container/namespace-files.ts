/** Namespaces that a container joins: opened and checked before anything is created. */
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { namespaceType } from "../../sys/linux/namespace.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { NamespaceJoin } from "../spec/plan.ts";

export interface OpenedNamespace {
  readonly fd: number;
  /** CLONE_NEW* flag. */
  readonly flag: number;
  readonly name: string;
}

/** @throws KumiteError `oci/spec-invalid` for a path that is not a namespace of that kind; then nothing is left open */
export function openNamespaces(joins: readonly NamespaceJoin[]): OpenedNamespace[] {
  const opened: OpenedNamespace[] = [];
  try {
    for (const join of joins) opened.push(openOne(join));
    return opened;
  } catch (error) {
    closeNamespaces(opened);
    throw error;
  }
}

export function closeNamespaces(namespaces: readonly OpenedNamespace[]): void {
  for (const { fd } of namespaces) closeQuietly(fd);
}

function openOne({ name, flag, path }: NamespaceJoin): OpenedNamespace {
  let fd: number;
  try {
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw invalid(name, path, messageOf(error));
  }
  if (namespaceType(fd) === flag) return { fd, flag, name };
  closeQuietly(fd);
  throw invalid(name, path, `${path} is not a namespace of that type`);
}

function invalid(name: string, path: string, why: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `linux.namespaces: the ${name} namespace cannot be joined: ${why}`, {
    data: { name, path },
  });
}
