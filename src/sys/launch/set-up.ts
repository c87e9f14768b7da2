/**
 * Plans the set-up of a child between its fork and its exec, as a list of system calls. Whatever needs paths or may
 * fail for a named file is done in the planning process: opening files, binding sockets. Whatever must happen in the
 * child becomes a step. `spawn` runs the steps in a new process, `kumite-launch` in its own.
 */
import type { SpawnStep } from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { firstOwnUser } from "../../util/own-user.ts";
import { bindUnix } from "../engine/sockets.ts";
import { capsetStep, SECBIT_NO_SETUID_FIXUP } from "../linux/credentials.ts";
import { unlinkQuietly } from "../linux/directory.ts";
import { CLOSE_RANGE_CLOEXEC, closeQuietly, dupAbove, HIGHEST_DESCRIPTOR, open } from "../linux/file.ts";
import { openDescriptor, withShortPath } from "../linux/open-descriptor.ts";
import { O_APPEND, O_CLOEXEC, O_CREAT, O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY } from "../linux/open-flags.ts";
import {
  CLONE_NEWNET,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_RAISE,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  PR_SET_SECUREBITS,
  PR_SET_THP_DISABLE,
} from "../linux/process.ts";
import { privateTreeSteps } from "./private-tree.ts";
import type { LaunchDescriptor, LaunchRequest } from "./request.ts";

/** One step, with the subject that its errors name. */
export interface SetUpStep {
  readonly native: SpawnStep;
  readonly call: string;
  readonly subject?: string;
}

export interface SetUp {
  readonly steps: readonly SetUpStep[];
  /** Closes what was opened for the child; call it when the child has executed its program or failed. */
  close(): void;
  /** Also removes the sockets that were bound; call it when the child has failed. */
  undo(): void;
}

export type SetUpRequest = Omit<LaunchRequest, "status" | "env" | "companions">;

/** All bits of one half of a capability set. */
const allBits = 0xffff_ffffn;

/** The highest descriptor number that the program may have. */
const descriptorMax = 1023;

/** Throws a SystemError that names the file or number; then nothing is left open or bound. */
export function planSetUp(request: SetUpRequest): SetUp {
  const planning = new Planning(request);
  try {
    return planning.plan();
  } catch (error) {
    planning.undo();
    throw error;
  }
}

class Planning implements SetUp {
  readonly steps: SetUpStep[] = [];
  readonly #request: SetUpRequest;
  readonly #descriptors: ReadonlyMap<number, LaunchDescriptor>;
  /** Above all numbers that the program gets, so that putting one in place never overwrites another. */
  readonly #base: number;
  #opened: number[] = [];
  #bound: string[] = [];
  #null: number | undefined;

  constructor(request: SetUpRequest) {
    this.#request = request;
    this.#descriptors = completeDescriptors(request.descriptors);
    this.#base = firstFreeNumber(request.descriptors);
  }

  plan(): SetUp {
    const sources = [...this.#descriptors].map(([number, descriptor]) => [number, this.#source(descriptor)] as const);
    for (const directory of this.#request.cgroups ?? []) this.#joinCgroup(directory);
    this.#joinNetwork();
    if (this.#request.newSession === true) this.#step(["setsid"], "setsid");
    const { cwd, tree } = this.#request;
    if (tree !== undefined) this.steps.push(...privateTreeSteps(tree));
    if (cwd !== undefined) this.#step(["chdir", cwd], "chdir", cwd);
    if (this.#request.rightsAsAnyUser === true)
      this.#step(["prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0], "prctl", "rights as any user");
    this.#loseRights();
    this.#armParentDeath();
    if (this.#request.noNewPrivileges === true) this.#step(["prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0], "prctl");
    // The setting belongs to the memory, which a child of `spawn` shares with its parent until the exec. The parent is
    // a small engine then, for which the setting does not matter.
    if (this.#request.smallPages === true) this.#step(["prctl", PR_SET_THP_DISABLE, 1, 0, 0, 0], "prctl");
    this.#step(["close_range", 0, HIGHEST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC], "close_range");
    for (const [number, source] of sources) this.#step(["dup3", source, number, 0], "dup3", `descriptor ${number}`);
    return this;
  }

  close(): void {
    for (const fd of this.#opened.splice(0)) closeQuietly(fd);
  }

  undo(): void {
    this.close();
    for (const path of this.#bound.splice(0)) unlinkQuietly(path);
  }

  #step(native: SpawnStep, call: string, subject?: string): void {
    this.steps.push(subject === undefined ? { native, call } : { native, call, subject });
  }

  /** Returns a descriptor of this process above all the program's numbers, for the child to put in place. */
  #source(descriptor: LaunchDescriptor): number {
    switch (descriptor.kind) {
      case "null":
        this.#null ??= this.#keep(open("/dev/null", O_RDWR | O_CLOEXEC));
        return this.#null;
      case "inherit": {
        const copy = dupAbove(descriptor.fd, this.#base);
        this.#opened.push(copy);
        return copy;
      }
      case "listen": {
        const fd = withShortPath(descriptor.path, (path) => bindUnix(path, descriptor.mode, 0));
        this.#bound.push(descriptor.path);
        return this.#keep(fd);
      }
      case "append":
        return this.#keep(open(descriptor.path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, descriptor.mode));
      case "read":
      case "readWrite":
      case "connect":
      case "tap":
        return this.#keep(openDescriptor(descriptor));
    }
  }

  #keep(fd: number): number {
    this.#opened.push(fd);
    if (fd >= this.#base) return fd;
    const moved = dupAbove(fd, this.#base);
    this.#opened.push(moved);
    return moved;
  }

  /**
   * "0" is the process that writes. The file is opened here, before the child enters any namespace, so the path is this
   * process's.
   */
  #joinCgroup(directory: string): void {
    const path = `${directory}/cgroup.procs`;
    const fd = this.#keep(open(path, O_WRONLY | O_CLOEXEC));
    this.#step(["write", fd, zero, 0, zero.length], "write", path);
  }

  #joinNetwork(): void {
    const { networkNamespace } = this.#request;
    if (networkNamespace === undefined) return;
    if (networkNamespace === "new") {
      this.#step(["unshare", CLONE_NEWNET], "unshare", "network namespace");
      return;
    }
    const fd = this.#keep(open(networkNamespace.path, O_RDONLY | O_CLOEXEC));
    this.#step(["setns", fd, CLONE_NEWNET], "setns", networkNamespace.path);
  }

  /**
   * At exec, root gets the capabilities of the bounding set, and reducing that set needs a capability. Another user
   * keeps only ambient capabilities (capabilities(7)).
   */
  #loseRights(): void {
    const { capabilities: kept, ownUser } = this.#request;
    const set = (kept ?? []).reduce((bits, number) => bits | (1n << BigInt(number)), 0n);
    if (kept !== undefined) {
      const half = (at: bigint): number => Number((~set >> at) & allBits);
      this.#step(["dropBounding", half(0n), half(32n)], "prctl", "capabilities");
      if (set !== 0n) this.#step(["prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0], "prctl", "capabilities");
    }
    if (ownUser !== undefined) this.#step(["ownUser", firstOwnUser, ownUser.group], "setuid", "a user of its own");
    if (kept === undefined) return;
    this.#step(capsetStep({ effective: set, permitted: set, inheritable: set }), "capset", `capabilities ${kept}`);
    for (const number of kept)
      this.#step(["prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0], "prctl", `capability ${number}`);
  }

  /**
   * Must come after a change of user, which clears the signal. If the parent died before the signal was armed, there
   * would be no signal, so the parent is checked.
   */
  #armParentDeath(): void {
    const { parentDeathSignal, parentPid } = this.#request;
    if (parentDeathSignal === undefined) return;
    if (parentPid === undefined) throw new SystemError("EINVAL", "prctl", "parent-death signal without a parent");
    this.#step(["prctl", PR_SET_PDEATHSIG, parentDeathSignal, 0, 0, 0], "prctl", "parent-death signal");
    this.#step(["requireParent", parentPid], "prctl", `parent ${parentPid} is gone`);
  }
}

/** A number above all numbers of the program; fails with EBADF if one of them is invalid. */
export function firstFreeNumber(descriptors: Readonly<Record<number, LaunchDescriptor>>): number {
  return Math.max(...completeDescriptors(descriptors).keys()) + 1;
}

const zero = new Uint8Array([0x30]);

/** By number, ascending; 0, 1 and 2 are always among them. */
function completeDescriptors(
  descriptors: Readonly<Record<number, LaunchDescriptor>>,
): ReadonlyMap<number, LaunchDescriptor> {
  const complete = new Map<number, LaunchDescriptor>();
  for (const number of [0, 1, 2]) complete.set(number, descriptors[number] ?? { kind: "null" });
  for (const key of Object.keys(descriptors)) {
    const number = Number(key);
    const descriptor = descriptors[number];
    if (!/^\d+$/.test(key) || number > descriptorMax || descriptor === undefined)
      throw new SystemError("EBADF", "spawn", `descriptor ${key}`);
    complete.set(number, descriptor);
  }
  return complete;
}
