/**
 * A program that is started with companions, as a shim is, for the tests of `companions.ts`. It spawns the first of the
 * requests in its last argument and prints one line of JSON about the result; if there are more, it announces all of
 * them before. The process that it got is ended.
 */
import { readSync } from "node:fs";
import { decodeUtf8, encodeUtf8 } from "../../../util/text.ts";
import type { SpawnRequest } from "../../os.ts";
import { Companions } from "../companions.ts";
import { nodeOs } from "../node-os.ts";

const [, , installRoot = "", list = "", text = ""] = process.argv;
const requests = JSON.parse(text) as [SpawnRequest, ...SpawnRequest[]];
const bytes = new Uint8Array(64 * 1024);
const length = readSync(Number(list), bytes, 0, bytes.length, 0);
const reported = JSON.parse(decodeUtf8(bytes.subarray(0, length))) as { readonly pid: number }[];
const companions = new Companions(Number(list));
const os = nodeOs({ installRoot, companions });
if (requests.length > 1) await os.processes.expect?.(requests);
const child = await os.processes.spawn(requests[0]);
const isCompanion = reported.some(({ pid }) => pid === child.pid);
const states = await Promise.all(reported.map(async ({ pid }) => (await os.processes.info(pid))?.state));
const stream = child.streams.get(5);
await stream?.write(encodeUtf8("ping\n"));
const heard = decodeUtf8((await stream?.read()) ?? new Uint8Array());
child.kill(15);
const exit = await child.exited;
await companions.discard();
const after = await Promise.all(reported.map(async ({ pid }) => (await os.processes.info(pid))?.state));
process.stdout.write(`${JSON.stringify({ isCompanion, states, heard, exit, after })}\n`);
process.exit(0);
