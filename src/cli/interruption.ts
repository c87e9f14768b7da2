/**
 * What signals to this process mean. At first they end the verb, which then undoes what it has made. Once a workload
 * runs in the foreground, they are passed on to it. Knows no verb.
 */
import type { Os, SignalEvent } from "../sys/os.ts";
import { delay } from "../util/abort.ts";
import { KumiteError } from "../util/errors.ts";
import { passedOnSignals, signalName, signalNumbers } from "../util/signals.ts";

export interface Interruption {
  /** Aborted by the first signal that ends the verb, and by `abort`. */
  readonly signal: AbortSignal;
  /** Ends the verb for another reason. As with a signal, the verb undoes what it has made. */
  abort(reason: unknown): void;
  /** From now on signals go to the receiver and abort nothing. */
  passOnTo(receiver: (signal: number) => void): void;
  /**
   * For the time in which a workload is being started: it may already run before this process is told. A signal that
   * would end the verb goes to the receiver, and aborts the verb too unless `started` is called within a short time.
   */
  passOnWhileStarting(receiver: (signal: number) => void): { started(): void };
}

const ending: readonly number[] = [
  signalNumbers.SIGHUP,
  signalNumbers.SIGINT,
  signalNumbers.SIGQUIT,
  signalNumbers.SIGTERM,
];

/** How long a start may take to succeed or fail after the signal has been passed on. */
const startGraceMs = 2000;

/** Takes over the signals of this process. */
export function watchSignals(os: Os, graceMs = startGraceMs): Interruption {
  const controller = new AbortController();
  let receiver: ((signal: number) => void) | undefined;
  let starting: ((event: SignalEvent) => void) | undefined;
  const handle = (event: SignalEvent): void => {
    const { signal, fromKernel } = event;
    // A terminal sends ^C to every foreground process, the relay included. Passing it on would deliver it twice.
    if (starting !== undefined) {
      starting(event);
    } else if (receiver !== undefined) {
      if (!fromKernel) receiver(signal);
    } else if (ending.includes(signal)) {
      end(signal);
    }
  };
  const end = (signal: number): void => {
    controller.abort(new KumiteError("aborted", `ended by ${signalName(signal)}`));
  };
  os.self.onSignals(passedOnSignals, handle);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    passOnTo: (next) => {
      receiver = next;
    },
    passOnWhileStarting: (next) => {
      const answered = new AbortController();
      starting = ({ signal, fromKernel }) => {
        if (!ending.includes(signal)) return;
        if (!fromKernel) next(signal);
        delay(graceMs, answered.signal).then(
          () => end(signal),
          () => {},
        );
      };
      return {
        started: () => {
          starting = undefined;
          answered.abort();
        },
      };
    },
  };
}

/** For verbs that make nothing: a signal ends the process by its default action. */
export function noInterruption(): Interruption {
  const passOnWhileStarting = () => ({ started: () => {} });
  return { signal: new AbortController().signal, abort: () => {}, passOnTo: () => {}, passOnWhileStarting };
}
