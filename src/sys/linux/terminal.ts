/** Terminals: modes, sizes, and pseudo-terminal pairs. */
import { ioctl } from "kumite:native";
import type { WindowSize } from "../os.ts";
import { check } from "./check.ts";
import { closeQuietly, open } from "./file.ts";
import { O_CLOEXEC, O_NOCTTY, O_RDWR } from "./open-flags.ts";

const TCGETS = 0x5401;
/** Takes effect at once, without waiting for pending output. */
const TCSETS = 0x5402;
const TIOCSCTTY = 0x540e;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;

/** The kernel's struct termios: four u32 of flags, line discipline, 19 control characters. */
const TERMIOS_SIZE = 36;

export type Termios = Uint8Array;

export function isTerminal(fd: number): boolean {
  return ioctl(fd, TCGETS, new Uint8Array(TERMIOS_SIZE)) === 0;
}

export function tcgetattr(fd: number): Termios {
  const termios = new Uint8Array(TERMIOS_SIZE);
  check(ioctl(fd, TCGETS, termios), "tcgetattr", `descriptor ${fd}`);
  return termios;
}

export function tcsetattr(fd: number, termios: Termios): void {
  check(ioctl(fd, TCSETS, termios), "tcsetattr", `descriptor ${fd}`);
}

/** Bits of the four flag words that cfmakeraw(3) changes. */
const rawInputOff = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000; // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
const OPOST = 0o1;
const rawLocalOff = 0o1 | 0o2 | 0o10 | 0o100 | 0o100000; // ISIG ICANON ECHO ECHONL IEXTEN
const CSIZE_PARENB = 0o60 | 0o400;
const CS8 = 0o60;
const controlCharactersAt = 17;
const VTIME = 5;
const VMIN = 6;

/** As cfmakeraw(3): bytes pass unchanged, one at a time. */
export function rawTermios(from: Termios): Termios {
  const raw = from.slice();
  const view = new DataView(raw.buffer);
  view.setUint32(0, view.getUint32(0, true) & ~rawInputOff, true);
  view.setUint32(4, view.getUint32(4, true) & ~OPOST, true);
  view.setUint32(8, (view.getUint32(8, true) & ~CSIZE_PARENB) | CS8, true);
  view.setUint32(12, view.getUint32(12, true) & ~rawLocalOff, true);
  raw[controlCharactersAt + VMIN] = 1;
  raw[controlCharactersAt + VTIME] = 0;
  return raw;
}

/** struct winsize: u16 rows, columns, and two for pixels, which are not used. */
export function getWindowSize(fd: number): WindowSize {
  const size = new Uint8Array(8);
  check(ioctl(fd, TIOCGWINSZ, size), "TIOCGWINSZ", `descriptor ${fd}`);
  const view = new DataView(size.buffer);
  return { rows: view.getUint16(0, true), columns: view.getUint16(2, true) };
}

export function setWindowSize(fd: number, { rows, columns }: WindowSize): void {
  const size = new Uint8Array(8);
  const view = new DataView(size.buffer);
  view.setUint16(0, rows, true);
  view.setUint16(2, columns, true);
  check(ioctl(fd, TIOCSWINSZ, size), "TIOCSWINSZ", `descriptor ${fd}`);
}

/** Makes it the controlling terminal of this session, whose leader the process must be. */
export function setControllingTerminal(fd: number): void {
  check(ioctl(fd, TIOCSCTTY, 0), "TIOCSCTTY", `descriptor ${fd}`);
}

/**
 * Opens a new pair through the multiplexer: `/dev/ptmx`, or the `ptmx` of another devpts instance. The slave is opened
 * through the master, so that no path has to be right. Both are close-on-exec.
 */
export function openPty(multiplexer = "/dev/ptmx"): { readonly master: number; readonly slave: number } {
  const master = open(multiplexer, O_RDWR | O_NOCTTY | O_CLOEXEC);
  try {
    unlockPty(master);
    return { master, slave: openPtyPeer(master) };
  } catch (error) {
    closeQuietly(master);
    throw error;
  }
}

/** A new pair is locked, and its slave cannot be opened. */
export function unlockPty(master: number): void {
  check(ioctl(master, TIOCSPTLCK, new Uint8Array(4)), "unlockpt");
}

/** Opens another descriptor of the slave. */
export function openPtyPeer(master: number): number {
  return check(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "TIOCGPTPEER");
}

/** The slave's number in its devpts instance; `undefined` when the descriptor is not a master. */
export function ptyNumber(fd: number): number | undefined {
  const number = new Uint8Array(4);
  return ioctl(fd, TIOCGPTN, number) === 0 ? new DataView(number.buffer).getUint32(0, true) : undefined;
}
