/** How long a hook may take. Pure. */
import type { OciHook } from "./spec.ts";

/** For a hook without a timeout, in seconds. Nothing waits forever. */
const defaultTimeoutS = 300;

export function hookTimeoutS({ timeout = defaultTimeoutS }: OciHook): number {
  return timeout;
}
