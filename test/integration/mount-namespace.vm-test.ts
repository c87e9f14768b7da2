/** What an engine finds in the mount namespace of the pid in the pid file, through which `podman cp` copies files. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { execute } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { Workplace } from "../support/workplace.ts";

describe("the mount namespace of a container's pid", () => {
  let place: Workplace;

  before(async () => {
    place = await Workplace.open("mount-namespace");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("has the container's files and volumes, and nothing of the host", async () => {
    const volume = place.path("volume");
    await mkdir(volume);
    await writeFile(path.join(volume, "in"), "of the volume\n");
    const script =
      "echo up >/up; until [ -e /from-outside ]; do sleep 0.1; done; cat /from-outside /ro/new >/part; mv /part /answer; sleep 1000";
    const bundle = await place.bundle(shell(script), (config) => {
      config.mounts.push({ destination: "/rw", type: "bind", source: volume, options: ["bind"] });
      config.mounts.push({ destination: "/ro", type: "bind", source: volume, options: ["bind", "ro"] });
    });
    const id = await place.runDetached(bundle);
    const { pid } = await place.state(id);
    const inside = (command: string) =>
      execute(["nsenter", "--mount", "--target", String(pid), "/bin/busybox", "sh", "-c", command]);
    const file = (name: string) => readFile(path.join(bundle.rootfs, name), "utf8").catch(() => undefined);
    try {
      await eventually("the program runs", () => file("up"));
      const facts = await inside("cat /up /rw/in; ls /; echo x >/ro/no || echo kept; ls -d /run/kumite /home/user");
      assert.match(facts.stdout, /^up\nof the volume\n(.*\n)*kept\n\/home\/user\n$/, facts.stderr);
      await inside("echo second >/rw/new; echo first >/from-outside");
      assert.equal(
        await eventually("the answer", () => file("answer").then((text) => text || undefined)),
        "first\nsecond\n",
      );
    } finally {
      await place.remove(id);
    }
  });
});
