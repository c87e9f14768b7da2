/**
 * Gives the small engine the globals that portable code may use (`src/util/globals.d.ts`) and starts its event loop.
 * The build imports it before the entry of every module; the only file of the product that works at import time.
 */
import { EngineAbortController, EngineAbortSignal } from "./abort.ts";
import { keepLayouts } from "./layouts.ts";
import { startLoop } from "./loop.ts";
import { EngineTextDecoder, EngineTextEncoder } from "./text.ts";
import { clearEngineTimeout, setEngineTimeout } from "./timers.ts";

// What lowered `using` looks for, and what classes are declared with.
for (const name of ["dispose", "asyncDispose"])
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });

keepLayouts();
startLoop();
Object.assign(globalThis, {
  AbortController: EngineAbortController,
  AbortSignal: EngineAbortSignal,
  TextDecoder: EngineTextDecoder,
  TextEncoder: EngineTextEncoder,
  clearTimeout: clearEngineTimeout,
  setTimeout: setEngineTimeout,
  // An exception becomes an unhandled rejection, which the loop reports.
  queueMicrotask: (callback: () => void): void => void Promise.resolve().then(() => callback()),
});
