/** Checks of what a child is started with: arguments, descriptors, and the errors when it cannot start. */
import { encodeUtf8 } from "../../util/text.ts";
import type { Os, SpawnRequest } from "../os.ts";
import type { ContractCheck } from "../os-contract.ts";
import { output, printing, scratch, shell, textOf } from "./scratch.ts";

const sigkill = 9;
const fdList = "ls -l /proc/$$/fd";

/** Runs cat with this standard input, writes to it and ends it; returns the output. */
async function throughCat(os: Os, stdin: SpawnRequest["descriptors"][number], written: string) {
  const request = { path: "/bin/cat", argv: ["cat"], env: {} };
  const child = await os.processes.spawn({ ...request, descriptors: { 0: stdin, 1: { kind: "stream" } } });
  const input = child.streams.get(0);
  await input?.write(encodeUtf8(written));
  await input?.end();
  const text = await textOf(child.streams.get(1));
  const status = await child.exited;
  input?.close();
  return { text, status };
}

async function refused(os: Os, request: Partial<SpawnRequest>): Promise<unknown> {
  const child = await os.processes.spawn({ path: "/bin/true", argv: ["true"], env: {}, descriptors: {}, ...request });
  await child.exited;
  return undefined;
}

export const spawnContract: readonly ContractCheck[] = [
  {
    name: "a child has exactly the given arguments, environment and working directory",
    async run(os, assert) {
      const child = await os.processes.spawn({
        path: "/usr/bin/env",
        argv: ["env"],
        env: { A: "1", B: "zwei drei", EMPTY: "" },
        descriptors: { 1: { kind: "stream" } },
      });
      assert.deepEqual((await textOf(child.streams.get(1))).split("\n").sort(), ["", "A=1", "B=zwei drei", "EMPTY="]);
      await child.exited;
      assert.equal(
        await output(os, 'echo "$0|$1|$2"; pwd', { args: ["a b", ""], cwd: "/usr/share" }),
        "sh|a b|\n/usr/share",
      );
    },
  },
  {
    name: "a child reads a file that it was given, also by its path",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/input`;
      await os.files.write(path, "hello");
      const descriptors = { 0: { kind: "read", path } } as const;
      assert.equal(await output(os, "cat", { descriptors }), "hello");
      assert.equal(await output(os, "cat /dev/stdin", { descriptors }), "hello");
      const missing = { 0: { kind: "read", path: `${path}-missing` } } as const;
      await assert.rejects(refused(os, { descriptors: missing }), { errno: "ENOENT", call: "open" });
    },
  },
  {
    name: "the process group that a child leads is killed as a whole",
    async run(os, assert) {
      const child = await shell(os, "sleep 1000 & echo $!; wait", { newSession: true, descriptors: printing });
      const printed = await child.streams.get(1)?.read();
      const member = await os.processes.info(Number(new TextDecoder().decode(printed)));
      assert.ok(member !== undefined);
      child.killGroup(sigkill);
      assert.deepEqual(await child.exited, { kind: "signalled", signal: sigkill });
      if (member !== undefined) await os.processes.waitGone(member);
      child.killGroup(sigkill);
      child.streams.get(1)?.close();
    },
  },
  {
    name: "a child has the listed descriptors, the standard three, and no others",
    async run(os, assert) {
      await using dir = await scratch(os);
      const listing = await output(os, fdList, {
        descriptors: {
          5: { kind: "append", path: `${dir.path}/log`, mode: 0o640 },
          7: { kind: "listen", path: `${dir.path}/socket`, mode: 0o600 },
          9: { kind: "null" },
        },
      });
      const numbers = [...listing.matchAll(/ (\d+) -> /g)].map(([, number]) => Number(number));
      assert.deepEqual(
        numbers.sort((a, b) => a - b),
        [0, 1, 2, 5, 7, 9],
      );
      assert.ok(/ 0 -> \/dev\/null/.test(listing) && / 2 -> \/dev\/null/.test(listing), listing);
      assert.ok(listing.includes(`5 -> ${dir.path}/log`), listing);
      assert.equal((await os.files.status(`${dir.path}/log`))?.mode, 0o640);
      await os.files.removeFile(`${dir.path}/socket`);
    },
  },
  {
    name: "descriptors exchange numbers without overwriting each other",
    async run(os, assert) {
      await using dir = await scratch(os);
      const child = await shell(os, "echo three >&3; echo one; echo two >&2", {
        descriptors: {
          1: { kind: "stream" },
          2: { kind: "stream" },
          3: { kind: "append", path: `${dir.path}/3`, mode: 0o600 },
        },
      });
      const [one, two] = await Promise.all([textOf(child.streams.get(1)), textOf(child.streams.get(2))]);
      assert.deepEqual([one, two], ["one\n", "two\n"]);
      assert.equal(await os.files.readText(`${dir.path}/3`), "three\n");
      await child.exited;
    },
  },
  {
    name: "a stream has two directions, which end independently",
    async run(os, assert) {
      const { text, status } = await throughCat(os, { kind: "stream" }, "through the cat");
      assert.equal(text, "through the cat");
      assert.deepEqual(status, { kind: "exited", status: 0 });
    },
  },
  {
    name: "input given in advance is the first that a program reads from a stream",
    async run(os, assert) {
      const { text } = await throughCat(os, { kind: "stream", said: "before, " }, "and after");
      assert.equal(text, "before, and after");
    },
  },
  {
    name: "a listening socket accepts connections before the child uses it",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/socket`;
      const child = await shell(os, "read line; echo done", {
        descriptors: { ...printing, 0: { kind: "stream" }, 6: { kind: "listen", path, mode: 0o640 } },
      });
      assert.equal((await os.files.status(path))?.mode, 0o640);
      (await os.sockets.connect(path)).close();
      await child.streams.get(0)?.write(encodeUtf8("go\n"));
      assert.equal(await textOf(child.streams.get(1)), "done\n");
      await child.exited;
      child.streams.get(0)?.close();
      await assert.rejects(os.sockets.connect(path), { errno: "ECONNREFUSED" });
    },
  },
  {
    name: "a child's listening socket may have a path that is longer than an address",
    async run(os, assert) {
      await using dir = await scratch(os);
      const deep = `${dir.path}/${"d".repeat(100)}`;
      await os.files.makeDir(deep, 0o700);
      const descriptors = { 6: { kind: "listen", path: `${deep}/socket`, mode: 0o600 } } as const;
      assert.equal(await output(os, "readlink /proc/$$/fd/6 | cut -d: -f1", { descriptors }), "socket");
      const status = await os.files.status(`${deep}/socket`);
      assert.deepEqual([status?.kind, status?.mode], ["socket", 0o600]);
    },
  },
  {
    name: "a child can write to a file that it was given, and use a socket, however long their paths",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/file`;
      await os.files.write(path, "before");
      await output(os, "printf behi >&5", { descriptors: { 5: { kind: "readWrite", path } } });
      assert.equal(await os.files.readText(path), "behire");
      const listener = await os.sockets.listen(`${dir.path}/socket`, 0o600);
      const deep = `${dir.path}/${"d".repeat(100)}`;
      await os.files.symlink(dir.path, deep);
      const descriptors = { 5: { kind: "connect", path: `${deep}/socket` } } as const;
      await output(os, "printf hello >&5", { descriptors });
      for await (const stream of listener) {
        assert.equal(await textOf(stream), "hello");
        break;
      }
      await listener.close();
      await assert.rejects(refused(os, { descriptors }), { errno: "ENOENT", call: "connect" });
    },
  },
  {
    name: "a child has no signal blocked or ignored",
    async run(os, assert) {
      const masks = await output(os, "grep -E 'SigBlk|SigIgn' /proc/self/status");
      assert.equal(masks, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000");
    },
  },
  {
    name: "a program that cannot be executed is named in the error",
    async run(os, assert) {
      await assert.rejects(refused(os, { path: "/nowhere/at/all" }), { errno: "ENOENT", subject: "/nowhere/at/all" });
      await assert.rejects(refused(os, { path: "/etc/passwd" }), { errno: "EACCES" });
      await assert.rejects(refused(os, { path: "/tmp" }), { errno: "EACCES" });
      await assert.rejects(refused(os, { cwd: "/nowhere" }), { errno: "ENOENT", subject: "/nowhere" });
    },
  },
  {
    name: "a step that fails is named in the error, and leaves no process and no socket",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/socket`;
      await assert.rejects(
        refused(os, { cgroups: ["/nowhere"], descriptors: { 3: { kind: "listen", path, mode: 0o600 } } }),
        { errno: "ENOENT", subject: "/nowhere/cgroup.procs" },
      );
      assert.deepEqual(await os.files.list(dir.path), []);
      await assert.rejects(refused(os, { networkNamespace: { path: "/etc/passwd" } }), { errno: "EINVAL" });
      await assert.rejects(refused(os, { networkNamespace: { path: "/nowhere" } }), {
        errno: "ENOENT",
        subject: "/nowhere",
      });
      await assert.rejects(refused(os, { descriptors: { 3: { kind: "inherit", fd: 987654 } } }), {
        name: "SystemError",
      });
    },
  },
  {
    name: "an argument with a NUL in it is refused",
    async run(os, assert) {
      await assert.rejects(refused(os, { argv: ["true", "a\0b"] }), { name: "SystemError" });
      await assert.rejects(refused(os, { path: "/bin/true\0x" }), { name: "SystemError" });
    },
  },
];
