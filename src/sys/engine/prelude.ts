/**
 * Defines the globals that portable code may use (`src/util/globals.d.ts`) and starts the event loop. The build imports
 * this file before the entry point of every module. It is the product's only file with effects at import time.
 */
import { EngineAbortController, EngineAbortSignal } from "./abort.ts";
import { keepLayouts } from "./layouts.ts";
import { startLoop } from "./loop.ts";
import { EngineTextDecoder, EngineTextEncoder } from "./text.ts";
import { clearEngineTimeout, setEngineTimeout } from "./timers.ts";

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
