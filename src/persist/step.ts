/**
 * What is made on the host is first written down, as data: a step says what has to be gone when its sandbox is gone.
 * This file knows the steps and nothing of how they are undone (`undo.ts`) or kept (`journal.ts`).
 */

/** `key` identifies the step before the thing exists; pid and start time are added after. */
export type Step =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "mount"; readonly target: string }
  | { readonly kind: "cgroup"; readonly path: string }
  | { readonly kind: "process"; readonly key: string; readonly pid?: number; readonly startTicks?: number };
