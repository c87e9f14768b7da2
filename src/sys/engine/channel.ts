/**
 * How bytes get in and out of one descriptor without ever blocking the event loop. Which way works depends on what the
 * descriptor is and on who else has it: O_NONBLOCK belongs to the open file, so on an inherited one it is never set.
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

/** Results of calls are as native ones: a count, or the negated errno. */
export interface Channel {
  /** What the event loop watches. */
  readonly fd: number;
  /**
   * `nonblocking`: a call that cannot go on is EAGAIN. `ready`: a call is made only after the loop said that it can
   * go on. `always`: epoll refuses the descriptor, and calls never wait.
   */
  readonly mode: "nonblocking" | "ready" | "always";
  /** A terminal's master, which answers EIO when the other side is closed: its end. */
  readonly isMaster: boolean;
  read(buffer: Uint8Array): number;
  /** Some of the bytes, from the first part on; `offset` bytes of it are already written. */
  write(parts: readonly Uint8Array[], offset: number): number;
  /** Moves bytes out of a pipe without copying them; missing where the kernel cannot, or might wait. */
  readonly moveFrom?: (pipe: number, length: number) => number;
  /** Ending the writing is closing it. */
  readonly writeOnly: boolean;
  /** Only sockets have sides; of other descriptors nothing ends. */
  endWriting(): void;
  /** Idempotent. */
  close(): void;
}

/** A descriptor that nobody else has: set to nonblocking. Closing the channel closes it. */
export function ownChannel(fd: number): Channel {
  const type = fileType(fd);
  const flags = statusFlags(fd);
  if ((flags & O_NONBLOCK) === 0) setStatusFlags(fd, flags | O_NONBLOCK);
  if (isAlwaysReady(fd, type)) return plainChannel(fd, "always", type, [fd]);
  const channel = plainChannel(fd, "nonblocking", type, [fd]);
  if (type === S_IFCHR) return isTerminal(fd) ? channel : portChannel(channel);
  return { ...channel, moveFrom: (pipe, length) => movePiped(pipe, fd, length) };
}

/** A descriptor that others may have too: its flags stay as they are. Closing the channel closes it. */
export function sharedChannel(fd: number): Channel {
  const type = fileType(fd);
  if (type === S_IFSOCK) return socketChannel(fd);
  if (isAlwaysReady(fd, type)) return plainChannel(fd, "always", type, [fd]);
  // Even if it is nonblocking now: whoever made it so may take that back.
  const reopened = reopen(fd, type);
  if (reopened !== undefined) return plainChannel(reopened, "nonblocking", type, [reopened, fd]);
  return cautiousChannel(fd, type);
}

/** What epoll refuses. */
function isAlwaysReady(fd: number, type: number): boolean {
  if (type === S_IFREG || type === S_IFDIR || type === S_IFBLK) return true;
  // Terminals and ports can be waited for; /dev/null, zero, full and their like cannot, and need no waiting.
  return type === S_IFCHR && !isTerminal(fd) && !canBeWatched(fd);
}

function canBeWatched(fd: number): boolean {
  const probe = native.epollControl(EPOLL_CTL_ADD, fd, 0, 0);
  if (probe === 0) native.epollControl(EPOLL_CTL_DEL, fd, 0, 0);
  return probe !== EPERM;
}

/** An open file of our own for the same pipe or terminal, where the kernel gives one. */
function reopen(fd: number, type: number): number | undefined {
  // Opening a terminal's master again would make another terminal; other devices may count their openers.
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

/** Vectors are bounded by the native call; what is left comes with the next call. */
const partsMax = 64;

function writeParts(fd: number, parts: readonly Uint8Array[], offset: number): number {
  const [first] = parts;
  if (first === undefined) return 0;
  if (parts.length === 1) return native.write(fd, first, offset, first.length - offset);
  return native.writev(fd, [first.subarray(offset), ...parts.slice(1, partsMax)]);
}

/** A virtio port gives one of the guest's buffers, a page, with each read. */
const portPiece = 4096;
/** Most that is copied to save a message, in bytes. */
const smallMessage = 4096;

/** A port to the machine's host: each read and each write is a message, and messages are what costs. */
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
      // What follows comes with the next call.
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

/** A pipe that is ready has room for this much (PIPE_BUF). */
const pipeChunk = 4096;
/** Other devices promise little more than one byte; less than a terminal's low-water mark is safe. */
const deviceChunk = 128;

/** Only after the loop said so, and no more than then fits. */
function cautiousChannel(fd: number, type: number): Channel {
  const chunk = type === S_IFIFO ? pipeChunk : deviceChunk;
  return {
    ...plainChannel(fd, "ready", type, [fd]),
    write: ([first], offset) =>
      first === undefined ? 0 : native.write(fd, first, offset, Math.min(first.length - offset, chunk)),
  };
}

/** A number that was closed may be somebody else's by now. */
function closeOnce(fds: readonly number[]): () => void {
  const open = [...fds];
  return () => open.splice(0).forEach(closeQuietly);
}
