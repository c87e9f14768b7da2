/** On a host that runs out of something, each command gives one clear error, and nothing is left. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { execute, type Finished, describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { memoryCgroup, memoryHierarchy, memoryLimitFile, memoryUsageFile } from "../support/memory-cgroup.ts";
import { asSandbox, inSandbox } from "../support/pod.ts";
import { testCgroup } from "../support/test-cgroup.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

const pidsHierarchy = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((one) => existsSync(`${one}/cgroup.procs`)) ?? "";

describe("a host that runs out of", onlyKumite, () => {
  let place: Workplace;
  let bundle: Bundle;
  before(async () => {
    place = await Workplace.withoutMachine("exhausted");
    bundle = await place.bundle(shell("true"));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  function explained(finished: Finished, about: RegExp): void {
    assert.notEqual(finished.status, 0, show(finished));
    assert.match(finished.stderr, /kumite: /, show(finished));
    assert.match(finished.stderr, about, show(finished));
    assert.doesNotMatch(finished.stderr, /\n {2,}at |undefined|\[object/, show(finished));
  }

  async function nothingStays(id: string): Promise<void> {
    await succeed([runtimePath, "--root", place.root, "recover"]);
    assert.notEqual((await execute([runtimePath, "--root", place.root, "state", id])).status, 0);
  }

  /** Runs the work with a root directory of its own on such a disk. */
  async function onDisk(options: string, work: (root: string) => Promise<void>): Promise<void> {
    const root = place.path("small");
    await mkdir(root);
    await succeed(["mount", "-t", "tmpfs", "-o", options, "tmpfs", root]);
    try {
      await work(root);
    } finally {
      await succeed(["umount", root]);
      await rmdir(root);
    }
  }

  function argvUnder(root: string, ...words: string[]): string[] {
    return place.argv(...words).map((word) => (word === place.root ? root : word));
  }

  function namesFile(finished: Finished, root: string): void {
    explained(finished, /no space left on device/);
    assert.ok(finished.stderr.includes(`${root}/`), show(finished));
  }

  /** No create needs as many. */
  const most = 100;

  for (const [what, option] of [
    ["disk pages", (count: number) => `size=${count * 4096}`],
    ["inodes", (count: number) => `nr_inodes=${count}`],
  ] as const) {
    it(`${what} for its state names the file that it could not write, and leaves nothing, at every size up to enough`, async () => {
      let failures = 0;
      for (let isEnough = false; !isEnough; ) {
        assert.ok(failures < most, `${failures} ${what} are not enough`);
        await onDisk(option(failures + 1), async (root) => {
          const finished = await execute(argvUnder(root, "run", "--bundle", bundle.directory, place.newId()));
          if (finished.status === 0) isEnough = true;
          else namesFile(finished, root);
          assert.deepEqual(await readdir(root), [], show(finished));
        });
        failures += isEnough ? 0 : 1;
      }
      assert.ok(failures > 3, `${failures + 1} ${what} are enough`);
    });
  }

  it("disk pages for a container that joins a sandbox leaves the sandbox as it was", async () => {
    await onDisk("size=1m", async (root) => {
      const errors = place.path("errors");
      const quietly = (argv: readonly string[]) =>
        execute(["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', errors, ...argv]);
      const waiting = shell("while :; do sleep 1000; done");
      const pod = place.newId();
      const first = await place.bundle(asSandbox(), waiting);
      const made = await quietly(argvUnder(root, "run", "--detach", "--bundle", first.directory, pod));
      assert.equal(made.status, 0, show(made));
      try {
        const before = (await readdir(root)).sort();
        const member = await place.bundle(inSandbox(pod), waiting);
        const filler = path.join(root, "filler");
        await execute(["dd", "if=/dev/zero", `of=${filler}`, "bs=4096"]);
        for (let free = 0; ; free++) {
          assert.ok(free < most, `${free} pages are not enough`);
          const id = place.newId();
          const finished = await quietly(argvUnder(root, "create", "--bundle", member.directory, id));
          if (finished.status === 0) {
            await succeed(argvUnder(root, "delete", "--force", id));
            assert.ok(free > 1, `${free} pages are enough`);
            break;
          }
          namesFile({ ...finished, stderr: await readFile(errors, "utf8") }, root);
          assert.deepEqual((await readdir(root)).filter((name) => name !== "filler").sort(), before);
          await truncate(filler, (await stat(filler)).size - 4096);
        }
        const state = await succeed(argvUnder(root, "state", pod));
        assert.equal(JSON.parse(state.stdout).status, "running");
      } finally {
        await execute(argvUnder(root, "delete", "--force", pod));
      }
    });
  });

  for (const limit of [4, 8, 12, 16, 20, 24, 28]) {
    it(`descriptors, with ${limit} for each process, gives the reason, and nothing is left`, async () => {
      const id = place.newId();
      const argv = place.argv("run", "--bundle", bundle.directory, id);
      const finished = await execute(["sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh", ...argv]);
      if (finished.status !== 0 && !/^kumite: /.test(finished.stderr)) {
        // Too few for the engine itself to start.
        assert.ok(limit < 12 && finished.stderr !== "", show(finished));
      } else if (finished.status !== 0) explained(finished, /too many open files|ended|Too many open files|EMFILE/);
      await nothingStays(id);
    });
  }

  for (const limitMiB of [4, 12, 32, 48, 64]) {
    it(`memory, with ${limitMiB} MiB for all processes of a container, gives the reason, and nothing is left`, async () => {
      await using group = await memoryCgroup(`kumite-memory-${place.newId()}`);
      await writeFile(path.join(group.path, memoryLimitFile), `${limitMiB * 1024 * 1024}`);
      const small = await place.bundle(shell("true"), (config) => {
        config.linux.cgroupsPath = `/${path.basename(group.path)}/${place.newId()}`;
      });
      const id = place.newId();
      const finished = await execute(place.argv("run", "--bundle", small.directory, id));
      // The kernel kills the process with the most memory: the error names it, and the reason.
      if (finished.status !== 0) explained(finished, /the memory of its cgroup was used up/);
      await nothingStays(id);
    });
  }

  for (const limit of [2, 13, 14, 18]) {
    it(`processes, with ${limit} in its cgroup, gives the reason, and nothing is left`, async () => {
      await using group = await testCgroup(pidsHierarchy, `kumite-pids-${place.newId()}`);
      await writeFile(path.join(group.path, "pids.max"), `${limit}`);
      const small = await place.bundle(shell("true"), (config) => {
        config.linux.cgroupsPath = `/${path.basename(group.path)}/${place.newId()}`;
      });
      const id = place.newId();
      const finished = await execute(place.argv("run", "--bundle", small.directory, id));
      if (finished.status !== 0)
        explained(finished, /allows \d+ more|resource temporarily unavailable|EAGAIN|ended|died|killed/i);
      await nothingStays(id);
    });
  }

  /** Verbs that are called once the host has run out, and whether they may fail. */
  const later: readonly (readonly [verb: string, words: (id: string) => string[]])[] = [
    ["start", (id) => ["start", id]],
    ["exec", (id) => ["exec", id, "true"]],
    ["kill", (id) => ["kill", id, "KILL"]],
    ["delete --force", (id) => ["delete", "--force", id]],
  ];

  /**
   * A running or created container on a host that then runs out of something: the verb does its work or reports why
   * not, state and list are correct, and the container can be removed while the shortage lasts.
   */
  async function withoutMore(
    [verb, words]: (typeof later)[number],
    argvOf: (...words: string[]) => string[],
    takeAway: (id: string) => Promise<(argv: readonly string[]) => readonly string[]>,
  ): Promise<void> {
    const id = place.newId();
    const waiting = await place.bundle(shell("while :; do sleep 1000; done"), (config) => {
      config.linux.cgroupsPath = `/${id}`;
    });
    const quietly = (argv: readonly string[]) =>
      execute(["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', place.path("err"), ...argv]);
    const made = verb === "start" ? ["create"] : ["run", "--detach"];
    const created = await quietly(argvOf(...made, "--bundle", waiting.directory, id));
    assert.equal(created.status, 0, show(created));
    try {
      const within = await takeAway(id);
      const finished = await execute(within(argvOf(...words(id))));
      if (finished.status !== 0) {
        explained(
          finished,
          /no space left on device|resource temporarily unavailable|too many open files|EMFILE|EAGAIN|room for|the memory of its cgroup|killed|ended/i,
        );
        assert.notEqual(verb, "delete --force", show(finished));
      }
      const states = ["created", "running", "stopped"];
      const state = await execute(argvOf("state", id));
      if (state.status === 0) assert.ok(states.includes(JSON.parse(state.stdout).status), state.stdout);
      else assert.equal(verb, "delete --force", show(state));
      const removed = await execute(within(argvOf("delete", "--force", id)));
      assert.equal(removed.status, 0, show(removed));
    } finally {
      await execute(argvOf("delete", "--force", id));
    }
    assert.notEqual((await execute(argvOf("state", id))).status, 0);
  }

  for (const call of later) {
    it(`disk space lets ${call[0]} succeed or say why not, and its container can be cleaned up meanwhile`, async () => {
      await onDisk("size=4m", async (root) => {
        await withoutMore(
          call,
          (...words) => argvUnder(root, ...words),
          async () => {
            await execute(["dd", "if=/dev/zero", `of=${root}/filler`, "bs=4096"]);
            return (argv) => argv;
          },
        );
      });
    });

    it(`processes in the cgroup lets ${call[0]} succeed or say why not, and its container can be cleaned up`, async () => {
      await withoutMore(
        call,
        (...words) => place.argv(...words),
        async (id) => {
          await writeFile(path.join(pidsHierarchy, id, "pids.max"), "1");
          return (argv) => argv;
        },
      );
    });

    it(`memory in the cgroup lets ${call[0]} succeed or say why not, and its container can be cleaned up`, async () => {
      await withoutMore(
        call,
        (...words) => place.argv(...words),
        async (id) => {
          const group = path.join(memoryHierarchy, id);
          const usage = await readFile(path.join(group, memoryUsageFile), "utf8");
          // By now more than this may be in use, and the limit cannot be lowered below that.
          await writeFile(path.join(group, memoryLimitFile), usage.trim()).catch(() => {});
          return (argv) => argv;
        },
      );
    });

    it(`descriptors lets ${call[0]} succeed or say why not, and its container can be cleaned up`, async () => {
      const few = (limit: number) => (argv: readonly string[]) => [
        "sh",
        "-c",
        `ulimit -n ${limit}; exec "$@"`,
        "sh",
        ...argv,
      ];
      await withoutMore(
        call,
        (...words) => place.argv(...words),
        async () => few(16),
      );
    });
  }

  /**
   * Starts with the first size at which the engine can print an error; with each step the verb gets a little further.
   */
  async function* addressSpaces(): AsyncGenerator<number> {
    const stepKib = 64;
    let kib = 2048;
    const printed = async () => {
      const argv = ["sh", "-c", `ulimit -v ${kib}; exec "$@"`, "sh", runtimePath, "--version"];
      const { stdout, stderr } = await execute(argv);
      return `${stdout}${stderr}`;
    };
    while (!/^kumite/.test(await printed())) kib += stepKib;
    // Other words of a command line may take another page.
    for (kib += stepKib; ; kib += stepKib) yield kib;
  }

  /** What is true of a container after the verb has done its work. */
  const done: Record<string, (id: string) => Promise<void>> = {
    start: async (id) => assert.equal((await place.state(id)).status, "running"),
    kill: async (id) => void (await place.untilStatus(id, "stopped")),
    "delete --force": async (id) => assert.notEqual((await place.runtime(["state", id])).status, 0),
  };

  for (const [verb, words] of later) {
    it(`address space for ${verb} either does it or says so, at every size from the first page to enough`, async () => {
      const id = place.newId();
      const waiting = await place.bundle(shell("while :; do sleep 1000; done"));
      const made = verb === "start" ? ["create"] : ["run", "--detach"];
      const argv = place.argv(...made, "--bundle", waiting.directory, id);
      const created = await execute(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...argv]);
      assert.equal(created.status, 0, show(created));
      try {
        let failures = 0;
        for await (const kib of addressSpaces()) {
          const limited = ["sh", "-c", `ulimit -v ${kib}; exec "$@"`, "sh", ...place.argv(...words(id))];
          const finished = await execute(limited, { timeoutMs: 60_000 });
          if (finished.status === 0) {
            await done[verb]?.(id);
            break;
          }
          failures += 1;
          assert.match(finished.stderr, /kumite: .*(out of memory|cannot allocate)/i, show(finished));
        }
        assert.ok(failures > 0, "with the least that it starts with it does all");
      } finally {
        await place.remove(id);
      }
    });
  }
});
