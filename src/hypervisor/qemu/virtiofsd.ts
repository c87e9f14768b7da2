/**
 * The daemon behind a virtio-fs device: the one of QEMU 7.2, written in C, and its successor, written in Rust.
 * Both listen on a descriptor and serve the one QEMU that connects; they end when it hangs up.
 */
import { baseName, dirName } from "../../util/path.ts";
import type { ProgramRequest } from "../program.ts";
import type { SharedDirectory } from "../spec.ts";
import type { VirtioFsOptions } from "./options.ts";

export interface DaemonRequest extends Pick<VirtioFsOptions, "cache" | "extraArguments"> {
  /** Path of the program. */
  readonly program: string;
  readonly directory: SharedDirectory;
  /** Where QEMU will connect. */
  readonly socket: string;
  readonly cgroups: readonly string[];
  /** How many files it may have open: one for each that the guest knows of. 0: as many as whoever starts it. */
  readonly openFiles: number;
  /** Whether it may keep its capabilities while it makes files for others (`keepsRights`); default false. */
  readonly keepsRights?: boolean;
  /** So few that the guest is not to come to know of whole directories by listing them; default false. */
  readonly fewFiles?: boolean;
}

const listenFd = 3;

/**
 * How the guest caches. With `auto` each open of a file drops what the guest holds of it, so that each start of a program
 * reads it anew: half of the time of an exec. `always` keeps it, and the guest drops it when it sees that size or time
 * have changed; it looks again after this many seconds, in which a change on the host does not show.
 */
const qemuCache = "cache=always,timeout=0.02";
/** This one has no option for the time, and `always` alone means a day. */
const rustCache = "auto";

export function daemonProgram(request: DaemonRequest): ProgramRequest {
  const { program, directory, socket, cgroups, openFiles, extraArguments = [] } = request;
  const dialect = dialectOf(program) === "qemu" ? qemuDialect : rustDialect;
  const own = [...dialect(directory.path, request), `${limitArgument}${openFiles}`];
  // Written for the daemon in Rust, where it is a word of its own; ours have it already.
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

/** CAP_SETPCAP, as a bit of the line `CapEff` of /proc/PID/status. */
const changesRights = 1n << 8n;

/**
 * The daemon makes a file as the user who wants it, of whose groups and capabilities it knows nothing: the host would refuse
 * what the guest's kernel has allowed by one of these. With its own capabilities it does not ask again.
 * @param status of /proc/self/status; the daemon has the capabilities of this process
 */
export function keepsRights(status: string): boolean {
  return (capabilitiesIn(status) & changesRights) !== 0n;
}

function capabilitiesIn(status: string): bigint {
  return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
}

const wantedFiles = 1_000_000;
/** CAP_SYS_RESOURCE, as a bit of the line `CapEff` of /proc/PID/status. */
const raisesLimits = 1n << 24n;

/**
 * Raising the limit takes a capability that a container's host may lack: then it is what there is.
 * @param status of /proc/self/status; the daemon has the capabilities of this process
 * @param most of /proc/sys/fs/nr_open
 */
export function openFilesFor(status: string, most: string): number {
  if ((capabilitiesIn(status) & raisesLimits) === 0n) return 0;
  return Math.min(wantedFiles, Number(most) || 0);
}

/**
 * How many files the daemon can have open. An argument of the configuration wins: the daemon takes the last one.
 * @param openFiles as it was told
 * @param limits of /proc/self/limits, which are the daemon's where it was told nothing
 */
export function filesOfDaemon(openFiles: number, extraArguments: readonly string[], limits: string): number {
  const told = extraArguments.findLast((argument) => argument.startsWith(limitArgument))?.slice(limitArgument.length);
  const files = Number(told ?? openFiles) || Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return files > 0 ? files : wantedFiles;
}

const limitArgument = "--rlimit-nofile=";

/** Bytes of the guest's memory that a file takes which it knows of, at least: its inode and its name. */
const bytesOfFile = 1024;
/** Fewer are soon used up by a guest that lists directories. */
const fewFiles = 100_000;
/** How many files a guest comes to know of in a millisecond when it looks at one after the other and does nothing else. */
const lookedAtPerMs = { tcg: 20, kvm: 100 } as const;
/** The same when it lists directories, and is told of all that is in them. */
const listedPerMs = { tcg: 100, kvm: 300 } as const;
/** Nobody knows of so many in less. */
const longestMs = 10_000;

export function areFew(files: number): boolean {
  return files < fewFiles;
}

/**
 * What the agent is told, so that the guest forgets files before the daemon can open no more: none where its memory would be
 * used up first. As many names again may be directories that lead to these, and half of all may be in use, or come upon before
 * the others are forgotten.
 */
export function namesOptions(files: number, memoryMiB: number, accelerator: keyof typeof listedPerMs): string[] {
  if (files * bytesOfFile > memoryMiB * 1024 * 1024) return [];
  const names = Math.floor(files / 4);
  const perMs = (areFew(files) ? lookedAtPerMs : listedPerMs)[accelerator];
  const everyMs = Math.min(Math.ceil(names / perMs), longestMs);
  return [`kumite.names=${names}`, `kumite.every_ms=${everyMs}`];
}

/** QEMU keeps private helpers in `lib/qemu`; the Rust daemon never lived there. */
function dialectOf(program: string): "qemu" | "rust" {
  return baseName(dirName(program)) === "qemu" ? "qemu" : "rust";
}

function qemuDialect(source: string, { cache, fewFiles }: DaemonRequest): string[] {
  // In an option a comma ends a value and a backslash keeps it from doing so.
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

/** It has one word for the two modes in which no content is kept. */
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
