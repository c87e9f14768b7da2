/**
 * Reads and writes one descriptor without blocking the event loop. The method depends on what the descriptor is, and on
 * who else has it. O_NONBLOCK belongs to the open file description, so it is never set on an inherited descriptor.
 */
import * as native from "kumite:native";
import { concat } from "../../util/bytes.ts";
import { EPERM } from "../linux/check.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL } from "../linux/epoll.ts";
import { closeQuietly, setStatusFlags, statusFlags } from "../linux/file.ts";
import { O_ACCMODE, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_WRONLY } from "../linux/open-flags.ts";
import { movePiped } from "../linux/pipe.ts";
import { MSG_DONTWAIT, SHUT_WR } from "../linux/socket.ts";
import { fileType, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_IFSOCK } from "../linux/stat.ts";
import { isTerminal, ptyNumber } from "../linux/terminal.ts";

/** Methods return native results: a count, or the negated errno. */
export interface Channel {
  /** The descriptor that the event loop watches. */
  readonly fd: number;
  /**
   * `nonblocking`: a call that would block returns EAGAIN. `ready`: a call may be made only after the loop has reported
   * that it will not block. `always`: epoll refuses the descriptor, and calls never block.
   */
  readonly mode: "nonblocking" | "ready" | "always";
  /** Whether this is a terminal's master, which returns EIO at its end, when the other side has been closed. */
  readonly isMaster: boolean;
  read(buffer: Uint8Array): number;
  /** Writes some of the bytes, beginning with the first part, of which `offset` bytes have been written already. */
  write(parts: readonly Uint8Array[], offset: number): number;
  /** Moves bytes out of a pipe without copying them; `undefined` where the kernel cannot do this, or might block. */
  readonly moveFrom?: (pipe: number, length: number) => number;
  /** Whether ending the writing side means closing the descriptor. */
  readonly writeOnly: boolean;
  /** Only sockets have a writing side that can be shut down; for other descriptors this does nothing. */
  endWriting(): void;
  /** Idempotent. */
  close(): void;
}

/** A descriptor that no other process has: sets it to nonblocking. Closing the channel closes the descriptor. */
export function ownChannel(fd: number): Channel {
  const type = fileType(fd);
  const flags = statusFlags(fd);
  if ((flags & O_NONBLOCK) === 0) setStatusFlags(fd, flags | O_NONBLOCK);
  if (isAlwaysReady(fd, type)) return plainChannel(fd, "always", type, [fd]);
  const channel = plainChannel(fd, "nonblocking", type, [fd]);
  if (type === S_IFCHR) return isTerminal(fd) ? channel : portChannel(channel);
  return { ...channel, moveFrom: (pipe, length) => movePiped(pipe, fd, length) };
}

/**
 * A descriptor that other processes may have too: leaves its flags alone. Closing the channel closes the descriptor.
 */
export function sharedChannel(fd: number): Channel {
  const type = fileType(fd);
  if (type === S_IFSOCK) return socketChannel(fd);
  if (isAlwaysReady(fd, type)) return plainChannel(fd, "always", type, [fd]);
  // Even if the descriptor is nonblocking now, whoever set that may undo it.
  const reopened = reopen(fd, type);
  if (reopened !== undefined) return plainChannel(reopened, "nonblocking", type, [reopened, fd]);
  return cautiousChannel(fd, type);
}

/** Whether epoll refuses the descriptor. */
function isAlwaysReady(fd: number, type: number): boolean {
  if (type === S_IFREG || type === S_IFDIR || type === S_IFBLK) return true;
  // Terminals and virtio ports can be watched. /dev/null, zero, full and the like cannot, and never block.
  return type === S_IFCHR && !isTerminal(fd) && !canBeWatched(fd);
}

function canBeWatched(fd: number): boolean {
  const probe = native.epollControl(EPOLL_CTL_ADD, fd, 0, 0);
  if (probe === 0) native.epollControl(EPOLL_CTL_DEL, fd, 0, 0);
  return probe !== EPERM;
}

/** Opens the same pipe or terminal again, for an open file description of its own, where the kernel permits that. */
function reopen(fd: number, type: number): number | undefined {
  // Opening a terminal's master again would create another terminal, and other devices may allow only one opener.
  if (type !== S_IFIFO && (type !== S_IFCHR || !isTerminal(fd) || ptyNumber(fd) !== undefined)) return undefined;
  const flags = (statusFlags(fd) & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const result = native.openat(-1, `/proc/self/fd/${fd}`, flags, 0);
  return result < 0 ? undefined : result;
}

function plainChannel(fd: number, mode: Channel["mode"], type: number, owned: readonly number[]): Channel {
  return {
    fd,
    mode,
    isMaster: type === S_IFCHR && ptyNumber(fd) !== undefined,
    read: (buffer) => native.read(fd, buffer, 0, buffer.length),
    write: (parts, offset) => writeParts(fd, parts, offset),
    writeOnly: (statusFlags(fd) & O_ACCMODE) === O_WRONLY,
    endWriting: () => {
      if (type === S_IFSOCK) native.shutdown(fd, SHUT_WR);
    },
    close: closeOnce(owned),
  };
}

/** The native call takes a bounded number of parts; the rest follows with the next call. */
const partsMax = 64;

function writeParts(fd: number, parts: readonly Uint8Array[], offset: number): number {
  const [first] = parts;
  if (first === undefined) return 0;
  if (parts.length === 1) return native.write(fd, first, offset, first.length - offset);
  return native.writev(fd, [first.subarray(offset), ...parts.slice(1, partsMax)]);
}

/** Each read of a virtio port returns at most one of the guest's buffers, a page. */
const portPiece = 4096;
/** Up to this many bytes, copying is cheaper than another message. */
const smallMessage = 4096;

/** A port to the VM's host. Each read and each write is a message, and messages are expensive. */
function portChannel(channel: Channel): Channel {
  const { fd } = channel;
  return {
    ...channel,
    read: (buffer) => native.readPieces(fd, buffer, 0, buffer.length, portPiece),
    write: (parts, offset) => {
      let [count, length] = [0, 0];
      for (const part of parts) {
        length += part.length;
        if (length > smallMessage) break;
        count += 1;
      }
      // The remaining parts follow with the next call.
      return channel.write([concat(parts.slice(0, Math.max(count, 1)))], offset);
    },
    moveFrom: (pipe, length) => movePiped(pipe, fd, length),
  };
}

/** MSG_DONTWAIT is O_NONBLOCK for one call. */
function socketChannel(fd: number): Channel {
  return {
    fd,
    mode: "nonblocking",
    isMaster: false,
    read: (buffer) => native.recvfrom(fd, buffer, 0, buffer.length, MSG_DONTWAIT),
    write: (parts, offset) => {
      const [first] = parts;
      if (first === undefined) return 0;
      if (parts.length === 1) return native.sendto(fd, first, offset, first.length - offset, MSG_DONTWAIT);
      return native.sendmsg(fd, [first.subarray(offset), ...parts.slice(1, partsMax)], [], MSG_DONTWAIT, null);
    },
    writeOnly: false,
    endWriting: () => void native.shutdown(fd, SHUT_WR),
    close: closeOnce([fd]),
  };
}

/** A pipe that is ready has room for this many bytes (PIPE_BUF). */
const pipeChunk = 4096;
/** Other devices guarantee little more than one byte; this is safely below a terminal's low-water mark. */
const deviceChunk = 128;

/** Reads and writes only after the loop has reported that it is possible, and no more than fits then. */
function cautiousChannel(fd: number, type: number): Channel {
  const chunk = type === S_IFIFO ? pipeChunk : deviceChunk;
  return {
    ...plainChannel(fd, "ready", type, [fd]),
    write: ([first], offset) =>
      first === undefined ? 0 : native.write(fd, first, offset, Math.min(first.length - offset, chunk)),
  };
}

/** The number of a closed descriptor may belong to another file by now, so each is closed only once. */
function closeOnce(fds: readonly number[]): () => void {
  const open = [...fds];
  return () => open.splice(0).forEach(closeQuietly);
}
