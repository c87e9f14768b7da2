/** Sockets: AF_UNIX streams, socket pairs, messages with descriptors. */
import * as native from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { check } from "./check.ts";

export const AF_UNIX = 1;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

export const SHUT_WR = 1;

const MSG_CTRUNC = 0x08;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

/** struct sockaddr_un has 108 bytes for the path, one of them for the NUL. */
export const unixPathMax = 107;

export function socket(domain: number, type: number, protocol = 0): number {
  return check(native.socket(domain, type, protocol), "socket");
}

export function socketpair(type: number): readonly [number, number] {
  const pair = new Uint8Array(8);
  check(native.socketpair(AF_UNIX, type, 0, pair), "socketpair");
  const view = new DataView(pair.buffer);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

/**
 * struct sockaddr_un: u16 family, path, NUL. ENAMETOOLONG beyond 107 bytes, EINVAL for an empty path or a NUL in it.
 */
export function unixAddress(path: string): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > unixPathMax) throw new SystemError("ENAMETOOLONG", "socket address", path);
  if (bytes.length === 0 || bytes.includes(0)) throw new SystemError("EINVAL", "socket address", path);
  const address = new Uint8Array(2 + bytes.length + 1);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}

export function bind(fd: number, address: Uint8Array, subject?: string): void {
  check(native.bind(fd, address, 0, address.length), "bind", subject);
}

export function listen(fd: number, backlog: number, subject?: string): void {
  check(native.listen(fd, backlog), "listen", subject);
}

export function connect(fd: number, address: Uint8Array, subject?: string): void {
  check(native.connect(fd, address, 0, address.length), "connect", subject);
}

/** `flags`: SOCK_NONBLOCK, SOCK_CLOEXEC. */
export function accept4(fd: number, flags: number): number {
  return check(native.accept4(fd, flags), "accept");
}

export function shutdown(fd: number, how: number): void {
  check(native.shutdown(fd, how), "shutdown");
}

/** Sends data and descriptors; returns the number of bytes sent. */
export function sendmsg(fd: number, data: Uint8Array, descriptors: readonly number[], flags = 0): number {
  return check(native.sendmsg(fd, [data], descriptors, flags, null), "sendmsg");
}

export interface Message {
  readonly length: number;
  /** Close-on-exec; the caller closes them. */
  readonly descriptors: readonly number[];
  /** Descriptors were lost: more were sent than fit, or than this process may have open. */
  readonly truncated: boolean;
}

export function recvmsg(fd: number, data: Uint8Array, flags = 0): Message {
  const [length, messageFlags, descriptors] = native.recvmsg(fd, [data], flags);
  check(length, "recvmsg");
  return { length, descriptors, truncated: (messageFlags & MSG_CTRUNC) !== 0 };
}
