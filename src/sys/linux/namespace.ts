/** Namespaces as files (ioctl_ns(2)). */
import { ioctl } from "kumite:native";

const NS_GET_NSTYPE = 0xb703;

/** The CLONE_NEW* flag of the descriptor's namespace; `undefined` when it is not a namespace. */
export function namespaceType(fd: number): number | undefined {
  const type = ioctl(fd, NS_GET_NSTYPE, 0);
  return type < 0 ? undefined : type;
}
