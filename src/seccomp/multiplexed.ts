/**
 * System calls that 32-bit x86 programs can also make through socketcall(2) or ipc(2), whose first argument selects the
 * call (linux/net.h, linux/ipc.h). A rule for such a call applies to both ways.
 */

export interface Multiplexed {
  readonly by: "socketcall" | "ipc";
  /** The first argument that selects the call. */
  readonly selector: number;
}

const sockets =
  "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown " +
  "setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg";

const ipc: readonly (readonly [selector: number, names: string])[] = [
  [1, "semop semget semctl semtimedop"],
  [11, "msgsnd msgrcv msgget msgctl"],
  [21, "shmat shmdt shmget shmctl"],
];

let known: ReadonlyMap<string, Multiplexed> | undefined;

export function multiplexed(name: string): Multiplexed | undefined {
  known ??= table();
  return known.get(name);
}

function table(): ReadonlyMap<string, Multiplexed> {
  const entries = new Map<string, Multiplexed>();
  const add = (by: Multiplexed["by"], first: number, names: string): void => {
    let selector = first;
    for (const name of names.split(" ")) entries.set(name, { by, selector: selector++ });
  };
  add("socketcall", 1, sockets);
  for (const [first, names] of ipc) add("ipc", first, names);
  return entries;
}
