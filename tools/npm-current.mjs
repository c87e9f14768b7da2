/**
 * Exits with 0 if node_modules matches package-lock.json. It runs before any package is installed, so it is plain
 * JavaScript that reads files written by npm.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

const repository = resolve(import.meta.dirname, "..");
const packagesOf = (path) => JSON.parse(readFileSync(resolve(repository, path), "utf8")).packages;

const installed = packagesOf("node_modules/.package-lock.json");
const current = Object.entries(packagesOf("package-lock.json")).every(
  ([path, { version, optional }]) =>
    path === "" ||
    // An optional package may be for another platform; one for this platform has to have the right version.
    (optional && installed[path] === undefined) ||
    (installed[path]?.version === version && existsSync(resolve(repository, path, "package.json"))),
);
process.exitCode = current ? 0 : 1;
