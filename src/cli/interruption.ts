/**
 * What signals to this process mean: at first they end the verb, which undoes what it has made; once a workload runs in
 * the foreground they are passed on to it. Knows no verb.
 */
import type { Os, SignalEvent } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { passedOnSignals, signalName, signalNumbers } from "../util/signals.ts";

export interface Interruption {
  /** Aborts at the first signal that ends the verb, and at `abort`. */
  readonly signal: AbortSignal;
  /** Ends the verb for another reason: what it has made and changed is still put right. */
  abort(reason: unknown): void;
  /** From now on signals go to the receiver and abort nothing. */
  passOnTo(receiver: (signal: number) => void): void;
}

const ending: readonly number[] = [
  signalNumbers.SIGHUP,
  signalNumbers.SIGINT,
  signalNumbers.SIGQUIT,
  signalNumbers.SIGTERM,
];

/** Takes over the signals of this process. */
export function watchSignals(os: Os): Interruption {
  const controller = new AbortController();
  let receiver: ((signal: number) => void) | undefined;
  const handle = ({ signal, fromKernel }: SignalEvent): void => {
    // A terminal's ^C reaches every process in the foreground, the relay too: passed on, it would arrive twice.
    if (receiver !== undefined) {
      if (!fromKernel) receiver(signal);
    } else if (ending.includes(signal)) {
      controller.abort(new KumiteError("aborted", `ended by ${signalName(signal)}`));
    }
  };
  os.self.onSignals(passedOnSignals, handle);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    passOnTo: (next) => {
      receiver = next;
    },
  };
}

/** For verbs that make nothing: a signal ends the process as it does any other. */
export function noInterruption(): Interruption {
  return { signal: new AbortController().signal, abort: () => {}, passOnTo: () => {} };
}
