/**
 * Waits for all work that is done at the same time, even if some of it fails: what the rest makes must not appear after
 * it was undone. Rejects with the first failure, in the order of the arguments.
 */
export async function together<T extends readonly unknown[]>(
  ...work: {
    readonly [K in keyof T]: Promise<T[K]>;
  }
): Promise<T> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T;
}
