/** Signals of Linux by number and name. The numbers are those of x86, arm, riscv and s390, which agree. */

export const signalNumbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** Other names of the same signals. */
const aliases: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29 };

/** Real-time signals as the C library numbers them; it reserves the kernel's first two. */
const realTimeMin = 34;
const realTimeMax = 64;

/**
 * The number of a signal given as a name, with or without `SIG`, in either case, as `RTMIN+1`, or as a number. Includes
 * 0, which asks whether the process exists. `undefined` if there is no such signal.
 */
export function parseSignal(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return number <= realTimeMax ? number : undefined;
  }
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  if (Object.hasOwn(signalNumbers, name)) return signalNumbers[name as keyof typeof signalNumbers];
  if (Object.hasOwn(aliases, name)) return aliases[name];
  return parseRealTime(name);
}

function parseRealTime(name: string): number | undefined {
  const parts = /^SIG(?:RTMIN(?:\+(\d{1,2}))?|RTMAX(?:-(\d{1,2}))?)$/.exec(name);
  if (parts === null) return undefined;
  const [, above, below] = parts;
  const number = name.startsWith("SIGRTMIN") ? realTimeMin + Number(above ?? 0) : realTimeMax - Number(below ?? 0);
  return number >= realTimeMin && number <= realTimeMax ? number : undefined;
}

/** `SIGTERM`, or `signal 40` for a signal without a name. */
export function signalName(number: number): string {
  const found = Object.entries(signalNumbers).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}

/**
 * Signals that a process standing for another passes on to it. Excludes those that cannot be caught, those about the
 * process itself (its children, pipes, faults, and job control), and a change of window size.
 */
export const passedOnSignals: readonly number[] = [
  signalNumbers.SIGHUP,
  signalNumbers.SIGINT,
  signalNumbers.SIGQUIT,
  signalNumbers.SIGUSR1,
  signalNumbers.SIGUSR2,
  signalNumbers.SIGALRM,
  signalNumbers.SIGTERM,
  signalNumbers.SIGIO,
  signalNumbers.SIGPWR,
];
