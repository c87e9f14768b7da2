/** Network interfaces: the loopback of a new network namespace, and taps. */
import { ioctl } from "kumite:native";
import { check } from "./check.ts";
import { closeQuietly, open } from "./file.ts";
import { O_CLOEXEC, O_RDWR } from "./open-flags.ts";
import { SOCK_CLOEXEC, SOCK_DGRAM, socket } from "./socket.ts";

const AF_INET = 2;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 0x1;

/** Enables the loopback of the network namespace that the process is in. */
export function bringUpLoopback(): void {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC);
  try {
    const request = interfaceRequest("lo");
    const view = new DataView(request.buffer);
    check(ioctl(fd, SIOCGIFFLAGS, request), "SIOCGIFFLAGS", "lo");
    view.setInt16(16, view.getInt16(16, true) | IFF_UP, true);
    check(ioctl(fd, SIOCSIFFLAGS, request), "SIOCSIFFLAGS", "lo");
  } finally {
    closeQuietly(fd);
  }
}

const TUNSETIFF = 0x400454ca;
const IFF_TAP = 0x2;
const IFF_NO_PI = 0x1000;
/** Packets have a virtio-net header, for offloading. */
const IFF_VNET_HDR = 0x4000;

/** Opens a tap with a single queue. EINVAL for an invalid name. */
export function openTap(name: string): number {
  const fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  try {
    const request = interfaceRequest(name);
    new DataView(request.buffer).setInt16(16, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, true);
    check(ioctl(fd, TUNSETIFF, request), "TUNSETIFF", name);
    return fd;
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

/** struct ifreq: 16 bytes of name, then a union of 24 bytes, which begins with 16 bits of flags. */
function interfaceRequest(name: string): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name).subarray(0, 15));
  return request;
}
