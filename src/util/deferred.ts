/** A promise that is settled from outside; neither engine has `Promise.withResolvers`. */

export interface Deferred<T = void> {
  readonly promise: Promise<T>;
  /** The first call of either wins; later calls do nothing. */
  resolve(value: T): void;
  reject(reason: unknown): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
