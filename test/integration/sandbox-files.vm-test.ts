/**
 * Files of the host that the configuration gives to every sandbox, and those that the guest gives to every container.
 * One pod has them all.
 */
import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type OciConfig, type Patch, shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { asSandbox, inSandbox } from "../support/pod.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const mounts = "/run/kata-containers/shared/containers/sandbox-mounts";

describe("a sandbox with files of the host and hooks of the guest", onlyKumite, () => {
  let place: Workplace;
  let file: string;
  let pod: string;
  let podRoot: string;
  before(async () => {
    place = await Workplace.open("sandbox-files");
    await mkdir(at("hooks"));
    // The guest's image has no shell.
    await copyFile("/bin/busybox", at("hooks/busybox"));
    for (const kind of ["prestart", "poststart", "poststop"]) {
      await mkdir(at(`hooks/${kind}`));
      const hook = at(`hooks/${kind}/tell`);
      const lines = [
        `#!${mounts}/hooks/busybox sh`,
        "read state",
        `echo "$1 $state" >> ${mounts}/trace/lines`,
        `echo "$(: 2>&1 > ${mounts}/hooks/new)" >> ${mounts}/trace/errors`,
      ];
      await writeFile(hook, `${lines.join("\n")}\n`);
      await chmod(hook, 0o755);
    }
    await mkdir(at("trace"));
    file = at("configuration.toml");
    await writeFile(
      file,
      `[hypervisor.qemu]
      guest_hook_path = "${mounts}/hooks"
      [runtime]
      disable_guest_empty_dir = false
      sandbox_bind_mounts = ["${at("hooks")}", "${at("trace")}:rw"]`,
    );
    const pause = await place.bundle(asSandbox(), shell("while :; do sleep 1; done"));
    podRoot = `${pause.directory}/rootfs`;
    pod = place.newId();
    const run = place.argv("--config", file, "run", "--detach", "--bundle", pause.directory, pod);
    await succeed(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...run]);
  });
  after(() => place[Symbol.asyncDispose]());
  const at = (name: string): string => path.join(place.directory, name);

  // The pod's own files change while it runs; that they are removed with it is checked at the end.
  guardAgainstLeftOvers(() => ({ directories: [] }));

  async function member(script: string, patch: Patch = () => {}): Promise<string> {
    const bundle = await place.bundle(inSandbox(pod), shell(script), patch);
    const id = place.newId();
    const finished = await place.runtime(["--config", file, "run", "--bundle", bundle.directory, id]);
    assert.equal(finished.status, 0, show(finished));
    return finished.stdout;
  }

  async function told(): Promise<{ readonly kind: string; readonly state: { id: string; status: string } }[]> {
    const lines = (await readFile(at("trace/lines"), "utf8")).trimEnd().split("\n");
    return lines.map((line) => {
      const [kind = "", ...state] = line.split(" ");
      return { kind, state: JSON.parse(state.join(" ")) };
    });
  }

  it("keeps emptyDir volumes in its guest: containers share them, one after the other, and the host's stay empty", async () => {
    const volume = at("pods/1/volumes/kubernetes.io~empty-dir/cache");
    await mkdir(volume, { recursive: true });
    const mounted = (config: OciConfig): void => {
      config.mounts.push({ destination: "/cache", type: "bind", source: volume, options: ["rbind", "rw"] });
    };
    assert.equal(await member("echo kept > /cache/note; stat -c %a /cache", mounted), "777\n");
    assert.equal(await member("cat /cache/note", mounted), "kept\n");
    assert.deepEqual(await readdir(volume), []);
    const [local = ""] = await readdir(`${podRoot}/local`);
    assert.match(local, /^[0-9a-f]{16}-cache$/);
    assert.equal(await readFile(`${podRoot}/local/${local}/note`, "utf8"), "kept\n");
  });

  it("has directories of the host, which are writable where the configuration says so", async () => {
    assert.match(await readFile(at("trace/errors"), "utf8"), /hooks\/new: Read-only file system/);
    assert.deepEqual((await readdir(at("hooks"))).sort(), ["busybox", "poststart", "poststop", "prestart"]);
  });

  it("runs the guest's hooks around each of its containers, those of the sandbox's own container at its end", async () => {
    const members = (await told()).filter(({ state }) => state.id !== pod);
    assert.deepEqual(
      members.map(({ kind, state }) => [kind, state.status]),
      [1, 2].flatMap(() => [
        ["prestart", "creating"],
        ["poststart", "running"],
        ["poststop", "stopped"],
      ]),
    );
    await place.remove(pod);
    assert.deepEqual(await readdir(place.root), []);
    const own = (await told()).filter(({ state }) => state.id === pod).map(({ kind }) => kind);
    assert.deepEqual(own, ["prestart", "poststart", "poststop"]);
  });
});
