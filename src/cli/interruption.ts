/**
 * What signals to this process mean: at first they end the verb, which undoes what it has made; once a workload runs in
 * the foreground they are passed on to it. Knows no verb.
 */
import type { Os, SignalEvent } from "../sys/os.ts";
import { delay } from "../util/abort.ts";
import { KumiteError } from "../util/errors.ts";
import { passedOnSignals, signalName, signalNumbers } from "../util/signals.ts";

export interface Interruption {
  /** Aborts at the first signal that ends the verb, and at `abort`. */
  readonly signal: AbortSignal;
  /** Ends the verb for another reason: what it has made and changed is still put right. */
  abort(reason: unknown): void;
  /** From now on signals go to the receiver and abort nothing. */
  passOnTo(receiver: (signal: number) => void): void;
  /**
   * While a workload is being started, which may have begun before its starter is told: a signal that ends the verb goes to
   * the receiver, and aborts as well when `started` is not called within a moment.
   */
  passOnWhileStarting(receiver: (signal: number) => void): { started(): void };
}

const ending: readonly number[] = [
  signalNumbers.SIGHUP,
  signalNumbers.SIGINT,
  signalNumbers.SIGQUIT,
  signalNumbers.SIGTERM,
];

/** For a start to be answered, or to fail, after the signal has reached what is being started. */
const startGraceMs = 2000;

/** Takes over the signals of this process. */
export function watchSignals(os: Os, graceMs = startGraceMs): Interruption {
  const controller = new AbortController();
  let receiver: ((signal: number) => void) | undefined;
  let starting: ((event: SignalEvent) => void) | undefined;
  const handle = (event: SignalEvent): void => {
    const { signal, fromKernel } = event;
    // A terminal's ^C reaches every process in the foreground, the relay too: passed on, it would arrive twice.
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

/** For verbs that make nothing: a signal ends the process as it does any other. */
export function noInterruption(): Interruption {
  const passOnWhileStarting = () => ({ started: () => {} });
  return { signal: new AbortController().signal, abort: () => {}, passOnTo: () => {}, passOnWhileStarting };
}
