/** Library sandboxes: they run processes, and are saved, restored and forked while they run. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { appendFile, chmod, cp, mkdir, readFile, rm, rmdir, symlink, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import {
  type ErrorCode,
  KumiteError,
  type LiveSandbox,
  openSandbox,
  openSnapshot,
  type Snapshot,
} from "../../src/index.ts";
import { libraryRoot } from "../../src/library/place.ts";
import { shell } from "../support/bundle.ts";
import { succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

const repository = path.resolve(import.meta.dirname, "../..");

/** Counts in a variable and in a file, and prints every number. */
const counter = "trap 'exit 3' TERM; i=0; while :; do i=$((i+1)); echo $i > /count; echo $i; sleep 0.1; done";

describe("a sandbox of the library", onlyKumite, () => {
  let place: Workplace;
  let root: string;
  let rootfs: string;
  let sandbox: LiveSandbox;
  let snapshot: Snapshot;
  let saved: string;
  /** At least the last number that was written before the sandbox was saved. */
  let countBefore: number;

  before(async () => {
    place = await Workplace.open("library");
    root = place.path("root");
    saved = place.path("saved");
    rootfs = path.join((await place.bundle()).directory, "rootfs");
    sandbox = await openSandbox({ ...options(), rootfs, args: ["/bin/sh", "-c", counter], savable: true });
    countBefore = await countIn(sandbox);
    await sandbox.exec(["sh", "-c", "read line; echo heard $line; exec sleep 1000"]);
    await sandbox.save(saved);
    snapshot = await openSnapshot(saved, { root });
  });
  after(async () => {
    await snapshot.close();
    await sandbox.close();
    await place[Symbol.asyncDispose]();
  });
  guardAgainstLeftOvers(() => ({
    directories: [root, `${place.directory}/uppers`, "/run/kumite/s"],
    // Its journal is rewritten each time.
    ignored: [`${root}/${sandbox.id}/`],
  }));

  const options = () => ({
    root,
    memoryMiB: 256,
    set: [
      `runtime.rootfs_image_directory=${place.directory}/images`,
      `runtime.rootfs_upper_directory=${place.directory}/uppers`,
      "factory.enable_template=false",
    ],
  });

  it("runs processes, with their streams, status and surroundings", async () => {
    const script = "cat; echo $WHO in $(pwd) as $(id -u) >&2; exit 7";
    const finished = await sandbox.run(["sh", "-c", script], {
      input: "in\n",
      env: { WHO: "me" },
      cwd: "/tmp",
      user: { uid: 5, gid: 5 },
    });
    assert.deepEqual([finished.exitStatus, finished.stdout, finished.stderr], [7, "in\n", "me in /tmp as 5\n"]);
    await assert.rejects(sandbox.run(["/no/such/program"]), failsWith("process/executable-not-found"));
    await assert.rejects(sandbox.run(["yes"], { maxOutputBytes: 10_000 }), failsWith("usage/invalid"));
    await assert.rejects(sandbox.run(["cat", "/dev/zero"], { maxOutputBytes: 1, signal: AbortSignal.abort() }));
    await eventually("what is given up is killed", async () => {
      const left = await sandbox.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
      return /yes|zero/.test(left.stdout) ? undefined : true;
    });
  });

  it("continues from the same point each time it is restored, independently of the others", async () => {
    await using one = await snapshot.restore();
    const first = await nextLine(one);
    assert.ok(first > countBefore, `${first} comes after ${countBefore}`);
    await one.run(["sh", "-c", "echo changed > /etc/passwd; echo mine > /mine"]);
    const later = await eventually("it counts on", async () => {
      const count = await countIn(one);
      return count > first + 5 ? count : undefined;
    });
    await using two = await snapshot.restore();
    assert.ok((await nextLine(two)) < later, "the second begins where the first has begun");
    const { stdout } = await two.run(["sh", "-c", "head -1 /etc/passwd; ls /mine"]);
    assert.equal(stdout, "root:x:0:0::/root:/bin/sh\n");
    assert.ok((await countIn(sandbox)) > countBefore, "the original goes on");
    one.main.kill();
    assert.equal((await drained(one)).exitStatus, 3);
  });

  it("is forked while it runs: the copies and the original continue, each with its own name, time and secrets", async () => {
    const script = "hostname; head -c 16 /dev/urandom | od -An -tx1; date +%s";
    const forks = await sandbox.forkMany(2);
    try {
      const facts = await Promise.all([sandbox, ...forks].map((one) => one.run(["sh", "-c", script])));
      const lines = facts.map(({ stdout }) => stdout.trim().split("\n"));
      assert.deepEqual(
        lines.map(([name]) => name),
        [sandbox, ...forks].map(({ id }) => id),
      );
      assert.equal(new Set(lines.map(([, random]) => random)).size, 3);
      for (const [, , seconds] of lines) assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 60, seconds);
      const counts = await Promise.all([sandbox, ...forks].map(countIn));
      for (const [index, one] of [sandbox, ...forks].entries()) {
        await eventually("it counts on", async () => ((await countIn(one)) > (counts[index] ?? 0) ? true : undefined));
      }
    } finally {
      await Promise.all(forks.map((fork) => fork.close()));
    }
  });

  it("is forked and saved after the image of its root file system was removed from the cache", async () => {
    const images = path.join(place.directory, "images");
    for (const name of readdirSync(images)) if (name.endsWith(".erofs")) await rm(path.join(images, name));
    await using parent = await sandbox.fork({ savable: true });
    await using fork = await parent.fork();
    assert.equal((await fork.run(["head", "-1", "/etc/passwd"])).stdout, "root:x:0:0::/root:/bin/sh\n");
    const directory = place.path("without-image");
    await sandbox.save(directory);
    await using copy = await openSnapshot(directory, { root });
    await using restored = await copy.restore();
    assert.equal((await restored.run(["ls", "/bin/busybox"])).stdout, "/bin/busybox\n");
  });

  it("gives the streams of all its processes to the owner of the copy", async () => {
    await using copy = await snapshot.restore();
    const [other] = copy.others;
    assert.ok(other !== undefined, "the process beside its own is there");
    await other.stdin.write("you\n");
    for await (const piece of other.stdout) {
      assert.equal(Buffer.from(piece).toString(), "heard you\n");
      break;
    }
    assert.ok((await nextLine(copy)) > countBefore);
  });

  it("can be saved again only on request, with a memory of its own", async () => {
    await using shared = await snapshot.restore();
    assert.equal(shared.saving.kind, "impossible");
    await assert.rejects(shared.fork(), failsWith("snapshot/impossible", /shares its memory/));
    await using own = await snapshot.restore({ savable: true });
    await own.run(["sh", "-c", "echo second > /generation"]);
    await using grandchild = await own.fork();
    assert.equal((await grandchild.run(["cat", "/generation"])).stdout, "second\n");
    assert.ok((await countIn(grandchild)) > countBefore);
  });

  it("keeps the memory of a snapshot where nobody can change it", () => {
    const keeper = keepers().find(({ words }) => words[1] === "snapshot");
    assert.ok(keeper !== undefined, "a process keeps it");
    const memory = readdirSync(`/proc/${keeper.pid}/fd`)
      .map((fd) => `/proc/${keeper.pid}/fd/${fd}`)
      .find((file) => statSync(file).size === 256 * 1024 * 1024);
    const fd = openSync(memory as string, "r+");
    assert.throws(() => writeSync(fd, "x"), { code: "EPERM" });
    assert.equal(statSync(saved).mode & 0o777, 0o700);
  });

  it("is refused before anything is created when it has to be savable and files of the host are shared with it", async () => {
    const source = place.path("volume");
    await mkdir(source);
    const bundle = await place.bundle(shell("true"), (config) => {
      config.mounts = [...(config.mounts ?? []), { destination: "/mnt", type: "bind", source, options: ["bind"] }];
    });
    const asked = openSandbox({ ...options(), bundle: bundle.directory, savable: true });
    await assert.rejects(asked, failsWith("snapshot/impossible", /files of the host are shared/));
    await assert.rejects(openSandbox({ ...options() }), failsWith("usage/invalid"));
  });

  it("is not created from a snapshot that is damaged, incomplete, or accessible to others", async () => {
    const copy = place.path("copy");
    const damages: [RegExp, () => Promise<void>][] = [
      [/incomplete or not a snapshot/, () => rm(`${copy}/snapshot.json`)],
      [/snapshot\.json differs from what was saved/, () => appendTo(`${copy}/snapshot.json`, true)],
      [/memory has 4096 bytes/, () => truncate(`${copy}/memory`, 4096)],
      [/memory differs from what was saved/, () => appendTo(`${copy}/memory`)],
      [/state differs from what was saved/, () => appendTo(`${copy}/state`)],
      [/upper is missing/, () => rm(`${copy}/upper`)],
      [/users other than root/, () => chmod(copy, 0o755)],
    ];
    for (const [message, damage] of damages) {
      await succeed(["cp", "--archive", "--sparse=always", saved, copy]);
      await damage();
      await assert.rejects(openSnapshot(copy, { root }), failsWith("snapshot/invalid", message));
      await rm(copy, { recursive: true });
    }
    await succeed(["cp", "--archive", "--sparse=always", saved, copy]);
    const [, body = ""] = (await readFile(`${copy}/snapshot.json`, "utf8")).split("\n");
    const other = body.replace(/"machine":"[0-9a-f]+"/, '"machine":"0123"');
    const sum = createHash("sha256").update(other).digest("hex");
    await writeFile(`${copy}/snapshot.json`, `${sum}\n${other}\n`);
    {
      await using foreign = await openSnapshot(copy, { root });
      await assert.rejects(foreign.restore(), failsWith("snapshot/invalid", /does not fit the VMs/));
    }
    await assert.rejects(sandbox.save(saved), failsWith("storage/failed", /already exists/));
    assert.ok(existsSync(`${saved}/snapshot.json`), "what was there is left alone");
  });

  it("leaves only what `kumite recover` removes when its program is killed, even while saving", async () => {
    const target = place.path("half");
    const program = `
      import { openSnapshot } from ${JSON.stringify(path.join(repository, "src/index.ts"))};
      const snapshot = await openSnapshot(${JSON.stringify(saved)}, { root: ${JSON.stringify(root)} });
      const copy = await snapshot.restore({ savable: true });
      console.log("ready");
      for (let round = 0; ; round++) await copy.save(${JSON.stringify(target)} + round + "/snapshot");`;
    const file = place.path("program.mts");
    await writeFile(file, program);
    const child = spawn(process.execPath, ["--import", "tsx", file], {
      cwd: repository,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await eventually("it is saving", () =>
      existsSync(`${target}0`) && readdirSync(`${target}0`).length > 0 ? true : undefined,
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    await succeed([runtimePath, "--root", root, "recover"]);
    const written = readdirSync(place.directory).filter((name) => name.startsWith(path.basename(target)));
    assert.notDeepEqual(written, []);
    for (const directory of written) {
      for (const name of readdirSync(path.join(place.directory, directory))) assert.equal(name, "snapshot");
    }
  });

  it("works as the library's documentation shows, in a program that has the package installed", async () => {
    const page = await readFile(path.join(repository, "docs/library.md"), "utf8");
    const program = /```js\n(.*?)```/s.exec(page)?.[1];
    assert.ok(program !== undefined, "the page has a program");
    const project = place.path("project");
    await mkdir(`${project}/node_modules`, { recursive: true });
    await symlink(repository, `${project}/node_modules/kumite`);
    await writeFile(`${project}/example.mjs`, program);
    const usedBefore = existsSync(libraryRoot);
    const hadTemplates = (await templateCount()) > 0;
    const { stdout } = await succeed([process.execPath, `${project}/example.mjs`, rootfs]);
    // Fails if the program has left anything in the directory.
    if (!usedBefore) await rmdir(libraryRoot);
    assert.deepEqual(stdout.trim().split("\n").sort(), ["prepared, fork 0", "prepared, fork 1"]);
    await eventually("the template that stays", async () => ((await templateCount()) > 0 ? true : undefined));
    if (!hadTemplates) await succeed([runtimePath, "factory", "destroy"]);
    await writeFile(`${project}/example.ts`, program.replace("const [rootfs]", "const [rootfs = '']"));
    const checked = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2023",
      "--lib",
      "es2023,esnext.disposable",
    ];
    await cp(`${repository}/node_modules/@types`, `${project}/node_modules/@types`, { recursive: true });
    await writeFile(`${project}/package.json`, '{"type":"module"}');
    await succeed([`${repository}/node_modules/.bin/tsc`, ...checked, "--types", "node", `${project}/example.ts`]);
  });
});

function failsWith(code: ErrorCode, message: RegExp = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof KumiteError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** In the directory that programs use by default. */
async function templateCount(): Promise<number> {
  const { stdout } = await succeed([runtimePath, "factory", "status", "--json"]);
  return (JSON.parse(stdout) as { readonly templates: readonly unknown[] }).templates.length;
}

async function countIn(sandbox: LiveSandbox): Promise<number> {
  return await eventually("a number is in the file", async () => {
    const { stdout } = await sandbox.run(["cat", "/count"]);
    return Number(stdout) || undefined;
  });
}

/** The next number that the sandbox's own process prints. */
async function nextLine(sandbox: LiveSandbox): Promise<number> {
  const reading = sandbox.main.stdout[Symbol.asyncIterator]();
  const piece = await reading.next();
  return Number(
    Buffer.from((piece.value as Uint8Array | undefined) ?? [])
      .toString()
      .split("\n")[0],
  );
}

async function drained({ main }: LiveSandbox) {
  const rest = async (stream: AsyncIterable<Uint8Array>) => {
    for await (const _ of stream);
  };
  await Promise.all([rest(main.stdout), rest(main.stderr)]);
  return main.exited;
}

/** Damages a file, without changing its length unless `longer` is set. */
async function appendTo(file: string, longer = false): Promise<void> {
  await chmod(file, 0o600);
  if (longer)
    return await appendFile(file, "x").then(async () => {
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace('"version"', '"Version"'));
    });
  const fd = openSync(file, "r+");
  writeSync(fd, "damage", 1000);
}

function keepers(): { readonly pid: string; readonly words: readonly string[] }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid, words: commandLine(pid) }))
    .filter(({ words }) => words[0] === "kumite-keeper");
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
