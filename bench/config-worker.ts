/** Loads a configuration once, in a process that has done nothing else, and prints how long it took. */
import { loadSettings } from "../src/config/load.ts";
import { nodeOs } from "../src/sys/node/node-os.ts";

const [path = ""] = process.argv.slice(2);
const os = nodeOs({ installRoot: "/nowhere" });
// Starts the thread that reads files, which in a shim is already running.
await os.files.status("/");
const [before, began] = [process.cpuUsage(), performance.now()];
const { settings, problems } = await loadSettings(os, { installRoot: "/nowhere", path });
const wallMs = performance.now() - began;
const { user, system } = process.cpuUsage(before);
const cpuMs = (user + system) / 1000;
process.stdout.write(JSON.stringify({ wallMs, cpuMs, keys: [...settings.names()].length, problems: problems.length }));
process.exit(0);
