/** The sources of the install root. */
import { resolve } from "node:path";
import type { EngineModule } from "../engine/bundle.ts";

export const repository = resolve(import.meta.dirname, "../..");

/** Where a working tree keeps its install root; `make install` copies it. */
export const installRoot = resolve(repository, "build/libexec/kumite");

/** Where a working tree keeps what `make install` puts below `share`. */
export const shareDirectory = resolve(repository, "build/share");

/** Modules of the host executable; the one named like the executable is what it runs under any other name. */
export const hostModules: readonly EngineModule[] = [
  { name: "kumite", entry: source("src/cli/main.ts"), startsFromImage: true },
  { name: "kumite-relay", entry: source("src/relay/main.ts") },
  { name: "kumite-launch", entry: source("src/sys/launch/main.ts"), startsFromImage: true },
  { name: "kumite-helper", entry: source("src/sys/helper/main.ts") },
  { name: "kumite-send", entry: source("src/sys/send/main.ts"), startsFromImage: true },
  { name: "kumite-template", entry: source("src/factory/builder/main.ts"), startsFromImage: true },
  { name: "kumite-keeper", entry: source("src/factory/keeper/main.ts") },
];

export const guestModules: readonly EngineModule[] = [
  {
    name: "agent",
    entry: source("src/guest/main.ts"),
    startsFromImage: true,
    packsParts: true,
    // Messages of the specification come from other hosts.
    messages: { read: /Request$|^(?:Spec|Process|LinuxResources)$/, written: /Response$|^OOMEvent$/ },
  },
];

export const shimEntry = source("src/shim/main.ts");
/** The program that loads the shim. */
export const loaderEntry = source("src/sys/node/loader/main.ts");
export const cacheEntry = source("src/factory/grpc/main.ts");

export const libraryEntry = source("src/index.ts");

/** Where a working tree keeps the declarations of the library; `package.json` refers to it. */
export const typesDirectory = resolve(repository, "build/types");

function source(path: string): string {
  return resolve(repository, path);
}
