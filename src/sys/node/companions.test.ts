import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { testInstallRoot, testOs } from "../../../test/support/node-os.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { SpawnRequest } from "../os.ts";

const taker = fileURLToPath(new URL("testing/companion-taker.ts", import.meta.url));

describe("companions of a program on Node", () => {
  const os = testOs();
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-companions-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  const echo = (socket: string): SpawnRequest => ({
    path: "/bin/sh",
    argv: ["sh", "-c", 'while read -r word <&5; do echo "$word back" >&5; done'],
    env: { A: "b" },
    descriptors: { 5: { kind: "stream" }, 6: { kind: "listen", path: join(directory, socket), mode: 0o600 } },
    parentDeathSignal: 9,
  });

  /** Starts a program with these companions, and has it spawn the request. */
  const ask = (request: SpawnRequest, ...companions: SpawnRequest[]) => askFor([request], companions);

  /** As `ask`; the program announces all requests and spawns the first. */
  async function askFor(requests: readonly SpawnRequest[], companions: readonly SpawnRequest[]) {
    const child = await os.processes.spawn({
      path: process.execPath,
      argv: ["node", "--import", "tsx", taker, testInstallRoot, "4", JSON.stringify(requests)],
      env: { PATH: process.env.PATH ?? "" },
      descriptors: { 1: { kind: "stream" }, 2: { kind: "inherit", fd: 2 } },
      companions: { at: 4, requests: companions },
    });
    let text = "";
    const output = child.streams.get(1);
    for (let part = await output?.read(); part !== undefined; part = await output?.read()) text += decodeUtf8(part);
    await child.exited;
    output?.close();
    return JSON.parse(text) as {
      isCompanion: boolean;
      states: string[];
      heard: string;
      exit: unknown;
      after: string[];
    };
  }

  it("are returned for an identical request, in whatever order its parts are given", async () => {
    const request = echo("same");
    const reordered = Object.fromEntries(Object.entries(request).reverse()) as unknown as SpawnRequest;
    const { isCompanion, heard, exit } = await ask(reordered, request);
    assert.deepEqual({ isCompanion, heard }, { isCompanion: true, heard: "ping back\n" });
    assert.deepEqual(exit, { kind: "signalled", signal: 15 });
  });

  it("are ended, with what they had bound, before another one of the same program is started", async () => {
    const { isCompanion, states, heard } = await ask({ ...echo("other"), env: { A: "c" } }, echo("other"));
    assert.deepEqual({ isCompanion, states, heard }, { isCompanion: false, states: ["Z"], heard: "ping back\n" });
  });

  it("are kept for programs that need each other if all of them are companions, and otherwise all ended", async () => {
    const sleeper: SpawnRequest = { path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {} };
    const whole = await askFor([echo("whole"), sleeper], [echo("whole"), sleeper]);
    assert.equal(whole.isCompanion, true);
    const other = await askFor([echo("part"), { ...sleeper, argv: ["sleep", "1001"] }], [echo("part"), sleeper]);
    assert.deepEqual([other.isCompanion, other.states, other.heard], [false, ["Z", "Z"], "ping back\n"]);
  });

  it("are ended if nobody has asked for them", async () => {
    const sleeper: SpawnRequest = { path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {} };
    const { isCompanion, states, after: left } = await ask(echo("asked"), echo("asked"), sleeper);
    assert.equal(isCompanion, true);
    assert.match(states.join(""), /^[RS]S$/);
    assert.deepEqual(left, ["Z", "Z"]);
    assert.ok(existsSync(join(directory, "asked")), "the socket of one that was taken is its taker's");
  });
});
