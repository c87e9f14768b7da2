/**
 * Command lines for virtiofsd: the one of QEMU 7.2, written in C, and its successor in Rust. Both listen on a
 * descriptor, serve the one QEMU that connects, and end when it disconnects.
 */
import { baseName, dirName } from "../../util/path.ts";
import type { ProgramRequest } from "../program.ts";
import type { SharedDirectory } from "../spec.ts";
import type { VirtioFsOptions } from "./options.ts";

export interface DaemonRequest extends Pick<VirtioFsOptions, "cache" | "extraArguments"> {
  /** Path of the program. */
  readonly program: string;
  readonly directory: SharedDirectory;
  /** The socket to which QEMU connects. */
  readonly socket: string;
  readonly cgroups: readonly string[];
  /**
   * Limit on open files; one is needed for each file that the guest knows. 0: the limit of the process that starts the
   * daemon.
   */
  readonly openFiles: number;
  /** The daemon keeps its capabilities while it creates files for other users (`keepsRights`); default false. */
  readonly keepsRights?: boolean;
  /** The limit is so low that listing a directory must not make the guest know all of its files; default false. */
  readonly fewFiles?: boolean;
}

const listenFd = 3;

/**
 * The guest's caching. With `auto` each open of a file drops its cached content, so that each start of a program reads
 * it again: half of the time of an exec. `always` keeps the content until size or mtime change. The guest checks that
 * after this many seconds, during which a change on the host is not visible.
 */
const qemuCache = "cache=always,timeout=0.02";
/** The Rust daemon has no option for the time, and `always` alone means a day. */
const rustCache = "auto";

export function daemonProgram(request: DaemonRequest): ProgramRequest {
  const { program, directory, socket, cgroups, openFiles, extraArguments = [] } = request;
  const dialect = dialectOf(program) === "qemu" ? qemuDialect : rustDialect;
  const own = [...dialect(directory.path, request), `${limitArgument}${openFiles}`];
  // This argument is meant for the Rust daemon, and `rustDialect` has it already.
  const extra = extraArguments.filter((argument) => argument !== "--announce-submounts");
  return {
    path: program,
    argv: [program, ...own, ...extra],
    env: {},
    descriptors: { [listenFd]: { kind: "listen", path: socket, mode: 0o600 } },
    cgroups,
    rightsAsAnyUser: request.keepsRights === true,
  };
}

/** CAP_SETPCAP as a bit of `CapEff` in /proc/PID/status. */
const changesRights = 1n << 8n;

/**
 * Whether the daemon keeps its capabilities when it creates a file as the guest's user. It knows only the user, not the
 * user's groups and capabilities, so the host would refuse what the guest's kernel allowed because of these. With its
 * capabilities the daemon is not checked again.
 *
 * @param status content of /proc/self/status; the daemon has this process's capabilities
 */
export function keepsRights(status: string): boolean {
  return (capabilitiesIn(status) & changesRights) !== 0n;
}

function capabilitiesIn(status: string): bigint {
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
}

const wantedFiles = 1_000_000;
/** CAP_SYS_RESOURCE as a bit of `CapEff` in /proc/PID/status. */
const raisesLimits = 1n << 24n;

/**
 * The limit on open files for the daemon; 0 if this process may not raise it, e.g. because the host is a container.
 * @param status content of /proc/self/status; the daemon has this process's capabilities
 * @param most content of /proc/sys/fs/nr_open
 */
export function openFilesFor(status: string, most: string): number {
  if ((capabilitiesIn(status) & raisesLimits) === 0n) return 0;
  return Math.min(wantedFiles, Number(most) || 0);
}

/**
 * How many files the daemon can have open. A configured argument wins, because the daemon uses the last one.
 * @param openFiles the limit that we pass
 * @param limits content of /proc/self/limits, which apply to the daemon if we pass 0
 */
export function filesOfDaemon(openFiles: number, extraArguments: readonly string[], limits: string): number {
  const told = extraArguments.findLast((argument) => argument.startsWith(limitArgument))?.slice(limitArgument.length);
  const files = Number(told ?? openFiles) || Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return files > 0 ? files : wantedFiles;
}

const limitArgument = "--rlimit-nofile=";

/** The minimum that a known file takes in the guest's memory, for its inode and name. */
const bytesOfFile = 1024;
/** A guest that lists directories soon uses up a lower limit. */
const fewFiles = 100_000;
/** How many files a guest can get to know per millisecond by looking them up one after the other. */
const lookedAtPerMs = { tcg: 20, kvm: 100 } as const;
/** The same by listing directories. */
const listedPerMs = { tcg: 100, kvm: 300 } as const;
/** Upper limit on the interval, so that a large number of names is checked often enough. */
const longestMs = 10_000;

export function areFew(files: number): boolean {
  return files < fewFiles;
}

/**
 * Options that make our agent drop cached names before the daemon runs out of descriptors; empty if the guest's memory
 * would run out first. The agent may cache a quarter of the files: as many again may be directories on the paths to
 * them, and half of all may be in use or be found before the others are dropped.
 */
export function namesOptions(files: number, memoryMiB: number, accelerator: keyof typeof listedPerMs): string[] {
  if (files * bytesOfFile > memoryMiB * 1024 * 1024) return [];
  const names = Math.floor(files / 4);
  const perMs = (areFew(files) ? lookedAtPerMs : listedPerMs)[accelerator];
  const everyMs = Math.min(Math.ceil(names / perMs), longestMs);
  return [`kumite.names=${names}`, `kumite.every_ms=${everyMs}`];
}

/** QEMU's own daemon is in `lib/qemu`, where the Rust daemon never was. */
function dialectOf(program: string): "qemu" | "rust" {
  return baseName(dirName(program)) === "qemu" ? "qemu" : "rust";
}

function qemuDialect(source: string, { cache, fewFiles }: DaemonRequest): string[] {
  // In an option a comma ends a value, and a backslash escapes.
  const escaped = source.replace(/[\\,]/g, "\\$&");
  const options = [
    `source=${escaped}`,
    "sandbox=namespace",
    cache === undefined ? qemuCache : `cache=${qemuModes[cache]}`,
    "xattr",
    "announce_submounts",
    ...(fewFiles === true ? ["no_readdirplus"] : []),
    "log_level=warn",
  ];
  return [`--fd=${listenFd}`, "-f", "-o", options.join(",")];
}

/** The C daemon has one mode for the two in which no content is cached. */
const qemuModes = { never: "none", metadata: "none", auto: "auto", always: "always" } as const;

function rustDialect(source: string, { cache = rustCache }: DaemonRequest): string[] {
  return [
    `--fd=${listenFd}`,
    `--shared-dir=${source}`,
    "--sandbox=namespace",
    `--cache=${cache}`,
    "--xattr",
    "--announce-submounts",
    "--inode-file-handles=never",
    "--log-level=warn",
  ];
}
