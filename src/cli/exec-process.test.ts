import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { defaultSpec } from "../oci/default-spec.ts";
import type { OciProcess } from "../oci/spec.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { readExecProcess, withWindowSize } from "./exec-process.ts";
import { type Invocation, parseGlobal, parseRequest } from "./parse.ts";

describe("the process of exec", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  let bundle: string;
  before(async () => {
    bundle = await mkdtemp(join(tmpdir(), "kumite-exec-"));
    const spec = defaultSpec();
    spec.process.consoleSize = { height: 1, width: 2 };
    await writeFile(join(bundle, "own.json"), JSON.stringify(spec.process));
  });
  after(() => rm(bundle, { recursive: true }));

  function read(...words: string[]): Promise<OciProcess> {
    const { global, verb, rest } = parseGlobal(["exec", ...words]);
    const request = parseRequest(global, verb, rest);
    assert.ok(request.kind === "invoke" && request.invocation.verb === "exec");
    return readExecProcess(os, request.invocation as Invocation<"exec">, join(bundle, "own.json"));
  }

  it("is the container's own, with another command and without a terminal", async () => {
    const { terminal, args, consoleSize, ...rest } = await read("id", "ls", "-l");
    const { terminal: _t, args: _a, ...own } = defaultSpec().process;
    assert.deepEqual([terminal, args, consoleSize], [false, ["ls", "-l"], undefined]);
    assert.deepEqual(rest, own);
  });

  it("is changed by flags", async () => {
    const words = "-t -e A=1 -e B= --cwd /tmp -u 5:6 -g 7 -g 8 -c net_admin --no-new-privs".split(" ");
    const process = await read(...words, "--apparmor", "profile", "--process-label", "label", "id", "sh");
    assert.equal(process.terminal, true);
    assert.deepEqual(process.env?.slice(-2), ["A=1", "B="]);
    assert.equal(process.cwd, "/tmp");
    assert.deepEqual(process.user, { uid: 5, gid: 6, additionalGids: [7, 8] });
    for (const set of ["bounding", "effective", "permitted"] as const) {
      assert.ok(process.capabilities?.[set]?.includes("CAP_NET_ADMIN"), set);
    }
    const own = defaultSpec().process.capabilities;
    assert.deepEqual(process.capabilities?.ambient, own?.ambient);
    assert.deepEqual(process.capabilities?.inheritable, own?.inheritable);
    assert.deepEqual([process.apparmorProfile, process.selinuxLabel], ["profile", "label"]);
  });

  it("keeps the group of the container when only a user is given", async () => {
    assert.deepEqual((await read("--user", "1000", "id", "sh")).user, { uid: 1000, gid: 0 });
  });

  it("comes entirely from --process, with a terminal if --tty asks for one too", async () => {
    const file = join(bundle, "process.json");
    await writeFile(file, JSON.stringify({ args: ["id"], cwd: "/", user: { uid: 3 } }));
    assert.deepEqual(await read("--process", file, "id"), { args: ["id"], cwd: "/", user: { uid: 3 } });
    assert.equal((await read("--process", file, "--tty", "id")).terminal, true);
  });

  it("gets the size of its terminal", () => {
    const process: OciProcess = { args: ["sh"], cwd: "/" };
    const size = withWindowSize(process, { rows: 24, columns: 80 }).consoleSize;
    assert.deepEqual(size, { height: 24, width: 80 });
    assert.equal(withWindowSize(process, undefined), process);
  });

  it("is refused when a flag makes no sense, and the flag is named", async () => {
    const refusals: [words: string[], message: RegExp][] = [
      [["id"], /no command was given/],
      [["-p", "/x", "id", "ls"], /--process and a command/],
      [["-e", "FOO", "id", "ls"], /invalid environment variable "FOO"/],
      [["-e", "=x", "id", "ls"], /invalid environment variable "=x"/],
      [["-u", "root", "id", "ls"], /--user: "root" is not a numeric id/],
      [["-u", "5:", "id", "ls"], /--user: "" is not a numeric id/],
      [["-u", "1:2:3", "id", "ls"], /--user: "1:2:3" is not UID or UID:GID/],
      [["-u", "4294967295", "id", "ls"], /not a numeric id/],
      [["-g", "wheel", "id", "ls"], /--additional-gids: "wheel" is not a numeric id/],
      [["--cwd", "tmp", "id", "ls"], /--cwd: "tmp" is not an absolute path/],
      [["--cap", "a b", "id", "ls"], /--cap: "a b" is not a capability/],
    ];
    for (const [words, message] of refusals) {
      await assert.rejects(read(...words), { code: "usage/invalid", message, hint: /./ }, words.join(" "));
    }
    await assert.rejects(read("-p", "/nowhere/p.json", "id"), /\/nowhere\/p\.json: no such file/);
  });
});
