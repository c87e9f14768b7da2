/** Namespaces as files (ioctl_ns(2)). */
import { ioctl } from "kumite:native";

const NS_GET_NSTYPE = 0xb703;

/** The CLONE_NEW bit of the namespace that the descriptor stands for; `undefined` when it stands for none. */
export function namespaceType(fd: number): number | undefined {
  const type = ioctl(fd, NS_GET_NSTYPE, 0);
  return type < 0 ? undefined : type;
}
