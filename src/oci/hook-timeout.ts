/** How long a hook may take. Pure. */
import type { OciHook } from "./spec.ts";

/** For a hook that names no limit, in seconds: nothing waits for ever. */
const defaultTimeoutS = 300;

export function hookTimeoutS({ timeout = defaultTimeoutS }: OciHook): number {
  return timeout;
}
