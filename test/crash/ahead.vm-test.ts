/**
 * The crash walk for templates, the VM cache and the library: a process is killed while a template is made, while the
 * cache is filled, or while a program opens, saves, restores or forks a sandbox. `factory destroy` or `recover` must
 * remove everything that is left, and the next attempt must work. `npm run crash-walk` kills every process at every
 * moment; by default each commit tests a different small sample.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { shell } from "../support/bundle.ts";
import { execute, type Finished, succeed } from "../support/command.ts";
import { eventually, within } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testInstallRoot } from "../support/node-os.ts";
import { testQemuFlags } from "../support/qemu.ts";
import { sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";
import { cutsOf, runWithCut, type Scene, titleOf } from "./cuts.ts";
import type { Gate } from "./gate.ts";
import { sampleSeed, shuffled } from "./sample.ts";

const full = process.env.KUMITE_CRASH_WALK === "full";
const seed = sampleSeed();
const programTimeoutMs = 120_000;
/** Processes that work in parallel may reach a moment in another order than in the recorded run. */
const attempts = 3;

const verbs = { open: "opens one", save: "saves it", restore: "restores a snapshot", fork: "forks it" } as const;

const programs = {
  open: `
    ready();
    const sandbox = await openSandbox({ ...options, savable: true });
    await sandbox.close();`,
  save: `
    const sandbox = await openSandbox({ ...options, savable: true });
    try { ready(); await sandbox.save(saved); } finally { await sandbox.close(); }`,
  restore: `
    const sandbox = await openSandbox({ ...options, savable: true });
    try {
      await sandbox.save(saved);
      ready();
      const snapshot = await openSnapshot(saved, host);
      try {
        const copy = await snapshot.restore({ savable: true });
        await copy.close();
      } finally { await snapshot.close(); }
    } finally { await sandbox.close(); }`,
  fork: `
    const sandbox = await openSandbox({ ...options, savable: true });
    try {
      ready();
      const forks = await sandbox.forkMany(2);
      await Promise.all(forks.map((fork) => fork.close()));
    } finally { await sandbox.close(); }`,
  again: `
    const snapshot = await openSnapshot(saved, host);
    try {
      const copy = await snapshot.restore();
      try { await copy.run(["true"]); } finally { await copy.close(); }
    } finally { await snapshot.close(); }`,
} as const;

/**
 * Runs as many cuts as the sample has. `afterwards` checks what has to be true after each. A process that lives for an
 * instant is not seen in every run: if a cut's moment does not come, the sample's next cut takes its place.
 */
async function walk(test: TestContext, scene: Scene, count: number, afterwards: () => Promise<void>): Promise<void> {
  const cuts = await cutsOf(scene);
  await afterwards();
  let missing = full ? cuts.length : Math.min(count, cuts.length);
  assert.ok(missing > 0);
  for (const cut of shuffled(cuts, seed)) {
    if (missing === 0) return;
    await test.test(titleOf(cut), async (each) => {
      for (let attempt = 1; attempt <= attempts; attempt++) {
        let met = false;
        try {
          met = await runWithCut(scene, cut);
        } finally {
          if (met) missing -= 1;
          await afterwards();
        }
        if (met) return;
      }
      each.skip(`its moment did not come in ${attempts} runs`);
    });
  }
  if (!full) assert.equal(missing, 0, "some moments of the sample have come");
}

describe("after a crash", onlyKumite, () => {
  let place: Workplace;
  let store: string;

  before(async () => {
    place = await Workplace.open("ahead");
    store = path.join(place.directory, "templates");
    // From now on it is known whether KVM works, so the recorded runs and the others start the same processes.
    const argv = configured("enable_template = true", `template_path = "${store}"`);
    for (const action of ["init", "destroy"]) await succeed(argv(action));
    if (!full) process.stdout.write(`crash walk of what is made ahead: the sample of KUMITE_TEST_SEED=${seed}\n`);
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({
    directories: [store, place.root, path.join(place.directory, "uppers"), "/run/kumite-cache"],
  }));

  function configured(...factory: string[]): (...words: string[]) => string[] {
    const file = place.path("configuration.toml");
    const lines = ["[hypervisor.qemu]", "default_memory = 256", "[factory]", ...factory];
    writeFileSync(file, `${lines.join("\n")}\n`);
    return (...words) => [runtimePath, "--root", place.root, "--config", file, ...testQemuFlags, "factory", ...words];
  }

  it("a template is complete or absent, whichever process was killed while it was made, and the next one is made", async (test) => {
    const argv = configured("enable_template = true", `template_path = "${store}"`);
    const scene: Scene = {
      directory: store,
      argv: () => argv("init", "--json"),
      names: [/^kumite(?= .*factory init)/, /^kumite-keeper/, /^qemu-system[^ ]*/],
      settled: async (gate) => void (await within("the verb", programTimeoutMs, gate.exited)),
    };
    await walk(test, scene, 2, async () => {
      const { status, stderr } = await execute(argv("init"));
      assert.equal(status, 0, stderr);
      const { templates } = JSON.parse((await succeed(argv("status", "--json"))).stdout) as { templates: unknown[] };
      assert.equal(templates.length, 1);
      await succeed(argv("destroy"));
      assert.ok(!existsSync(store));
    });
  });

  const cached = () => ["vm_cache_number = 1", `vm_cache_endpoint = "${place.directory}/cache.sock"`];
  type Argv = ReturnType<typeof configured>;

  async function cacheOf(argv: Argv) {
    const { stdout } = await succeed(argv("status", "--json"));
    return (JSON.parse(stdout) as { cache?: { machines: unknown[] } }).cache;
  }

  const ready = (argv: Argv) =>
    eventually(
      "a machine, or no server",
      async () => {
        const cache = await cacheOf(argv);
        return cache === undefined || cache.machines.length > 0 ? true : undefined;
      },
      programTimeoutMs,
    );

  /** Fills the cache; the template below it may be made as part of this. */
  async function walkOfCache(test: TestContext, argv: Argv, names: readonly RegExp[]): Promise<void> {
    const scene: Scene = {
      directory: "/run/kumite-cache",
      argv: () => argv("init"),
      names: [/^kumite-cache/, /^kumite-shim/, /^qemu-system[^ ]*/, ...names],
      settled: async (gate) => {
        await within("the verb", programTimeoutMs, gate.exited);
        await ready(argv);
      },
    };
    await walk(test, scene, 1, async () => {
      // A server whose VM was killed has made another one; a server that was killed itself is replaced here.
      if ((await cacheOf(argv)) === undefined) await succeed(argv("init"));
      await ready(argv);
      assert.equal((await cacheOf(argv))?.machines.length, 1);
      await succeed(argv("destroy"));
      assert.ok(!existsSync("/run/kumite-cache"));
    });
  }

  it("no VM of the cache survives factory destroy, whichever process was killed while it was made", async (test) => {
    await walkOfCache(test, configured(...cached()), [/^virtiofsd/]);
  });

  it("no disk of a cached VM over a template is left, whichever process was killed while both were made", async (test) => {
    const lines = [
      "enable_template = true",
      // A directory in which writes count as moments too.
      'template_path = "/run/kumite-cache/templates"',
      "[runtime]",
      'rootfs_writes = "guest"',
      `rootfs_upper_directory = "${place.directory}/uppers"`,
    ];
    await walkOfCache(test, configured(...cached(), ...lines), [/^kumite-template/, /^kumite-keeper/]);
  });

  it("a container that was taking a VM of the cache can be deleted, whichever process was killed", async (test) => {
    const bundle = await place.bundle(shell("while :; do sleep 1; done"));
    const argv = configured(...cached());
    let id = "";
    const verb = (...words: string[]) => argv(...words).filter((word) => word !== "factory");
    const scene: Scene = {
      directory: place.root,
      prepare: async () => {
        await succeed(argv("init"));
        await ready(argv);
      },
      argv: () => {
        id = place.newId();
        return [
          "sh",
          "-c",
          'exec "$@" >/dev/null 2>&1',
          "sh",
          ...verb("run", "--detach", "--bundle", bundle.directory, id),
        ];
      },
      names: [/^kumite(?= .*run --detach)/, /^kumite-relay/],
      settled: async (gate) => void (await within("the verb", programTimeoutMs, gate.exited)),
    };
    await walk(test, scene, 1, async () => {
      await succeed(verb("recover"));
      await execute(verb("delete", "--force", id));
      assert.deepEqual([...sandboxProcesses(id)], []);
      await eventually("nothing of it", () => (existsSync(path.join(place.root, id)) ? undefined : true));
      // The cache continues to serve.
      await ready(argv);
      assert.equal((await cacheOf(argv))?.machines.length, 1);
      await succeed(argv("destroy"));
    });
  });

  it("no disk of a container is left whose clone was starting beside its shim, whichever process was killed", async (test) => {
    const uppers = path.join(place.directory, "uppers");
    const bundle = await place.bundle(shell("while :; do sleep 1; done"));
    const argv = configured(
      ...["enable_template = true", `template_path = "${store}"`],
      ...["[runtime]", 'rootfs_writes = "guest"', `rootfs_image_directory = "${place.directory}/images"`],
      `rootfs_upper_directory = "${uppers}"`,
    );
    const verb = (...words: string[]) => argv(...words).filter((word) => word !== "factory");
    let id = "";
    const run = () => {
      id = place.newId();
      const words = verb("run", "--detach", "--bundle", bundle.directory, id);
      return ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...words];
    };
    const gone = async (): Promise<void> => {
      await succeed(verb("recover"));
      await execute(verb("delete", "--force", id));
      assert.deepEqual([...sandboxProcesses(id)], []);
      await eventually("nothing of it", () => (existsSync(path.join(place.root, id)) ? undefined : true));
      assert.deepEqual(readdirSync(uppers), []);
      // A template whose VM was killed is not trusted and is replaced, so each run gets a new one.
      await succeed(argv("destroy"));
    };
    const scene: Scene = {
      directory: place.root,
      prepare: async () => void (await succeed(argv("init"))),
      argv: run,
      names: [/^kumite(?= .*run --detach)/, /^kumite-launch/, /^kumite-shim/, /^kumite-relay/, /^qemu-system[^ ]*/],
      settled: async (gate) => void (await within("the verb", programTimeoutMs, gate.exited)),
    };
    // Makes the image, which every run then shares.
    await succeed(run());
    await gone();
    await walk(test, scene, 2, gone);
  });
});

describe("a program with sandboxes", onlyKumite, () => {
  let place: Workplace;
  let root: string;
  let rootfs: string;

  before(async () => {
    place = await Workplace.open("program");
    root = place.path("root");
    rootfs = path.join((await place.bundle()).directory, "rootfs");
    // Makes the image, which every run then shares.
    await succeed(program("open"));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({
    directories: [root, path.join(place.directory, "uppers"), path.join(place.directory, "saved"), "/run/kumite/s"],
  }));

  /** The program prints `ready` when the part begins in which processes are killed. */
  function program(what: keyof typeof programs): string[] {
    const options = {
      root,
      rootfs,
      memoryMiB: 256,
      set: [
        `runtime.rootfs_image_directory=${place.directory}/images`,
        `runtime.rootfs_upper_directory=${place.directory}/uppers`,
        "factory.enable_template=false",
        ...testQemuFlags.filter((word) => word !== "--set"),
      ],
    };
    const file = place.path(`${what}.mjs`);
    const text = `
      import { openSandbox, openSnapshot } from ${JSON.stringify(path.join(testInstallRoot, "library.mjs"))};
      const options = ${JSON.stringify(options)};
      const host = { root: options.root };
      const saved = ${JSON.stringify(`${place.directory}/saved/snapshot`)};
      const ready = () => console.log("ready");
      ${programs[what]}`;
    writeFileSync(file, text);
    return [process.execPath, file];
  }

  for (const what of ["open", "save", "restore", "fork"] as const) {
    it(`leaves nothing when a process is killed while it ${verbs[what]}`, async (test) => {
      mkdirSync(path.join(place.directory, "saved"), { recursive: true });
      const scene: Scene = {
        directory: place.directory,
        argv: () => program(what),
        names: [new RegExp(`^node(?= .*${what}\\.mjs)`), /^kumite-keeper/, /^qemu-system[^ ]*/],
        from: "ready",
        settled: async (gate: Gate) => void (await within("the program", programTimeoutMs, gate.closed)),
      };
      await walk(test, scene, 1, async () => {
        await succeed([runtimePath, "--root", root, "recover"]);
        assert.deepEqual(readdirSync(root), []);
        for (const name of readdirSync(`${place.directory}/saved`)) {
          // A snapshot under its final name is complete: a sandbox can be restored from it.
          assert.equal(name, "snapshot");
          const finished: Finished = await execute(program("again"));
          assert.equal(finished.status, 0, finished.stderr);
          await succeed(["rm", "-r", `${place.directory}/saved/${name}`]);
        }
      });
    });
  }
});
