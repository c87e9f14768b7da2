/**
 * Ends with status 0 if node_modules holds what package-lock.json says. Runs before any package is there, so it is plain
 * JavaScript over files that npm writes.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

const repository = resolve(import.meta.dirname, "..");
const packagesOf = (path) => JSON.parse(readFileSync(resolve(repository, path), "utf8")).packages;

const installed = packagesOf("node_modules/.package-lock.json");
const current = Object.entries(packagesOf("package-lock.json")).every(
  ([path, { version, optional }]) =>
    path === "" ||
    // An optional package may be for another machine; the one for this machine has to be its version.
    (optional && installed[path] === undefined) ||
    (installed[path]?.version === version && existsSync(resolve(repository, path, "package.json"))),
);
process.exitCode = current ? 0 : 1;
