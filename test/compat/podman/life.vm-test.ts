/** podman 4.3 and the life of a container: how it is created, ends, is ended, and is restarted. */
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { describe as show } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { image, type Podman, usePodman } from "./podman.ts";

describe("podman and the life of a container", () => {
  let podman: Podman;
  usePodman((opened) => {
    podman = opened;
  });

  const logs = (id: string, text: string) =>
    eventually("the log", async () => ((await podman.must(["logs", id])).stdout === text ? true : undefined));
  const forever = "while :; do sleep 0.1; done";

  it("stop sends the signal, and the container ends by it", async () => {
    const id = await podman.start([], ["sh", "-c", `trap 'echo asked; exit 3' TERM; echo up; ${forever}`]);
    await logs(id, "up\n");
    // Time enough on any host: podman kills it at the end of this time.
    await podman.must(["stop", "--time", "100", id]);
    assert.equal((await podman.must(["logs", id])).stdout, "up\nasked\n");
    assert.equal(await podman.ask(["inspect", "--format", "{{.State.ExitCode}} {{.State.Status}}", id]), "3 exited");
    await podman.must(["rm", id]);
  });

  it("stop sends the signal to an init program, which passes it on", async () => {
    const init = ["--init", "--init-path", "/usr/bin/tini-static"];
    const id = await podman.start(init, ["sh", "-c", `trap 'echo asked; exit 3' TERM; echo up; ${forever}`]);
    await logs(id, "up\n");
    await podman.must(["stop", id]);
    assert.equal((await podman.must(["logs", id])).stdout, "up\nasked\n");
    assert.equal(await podman.inspect(id, ".State.ExitCode"), "3");
    await podman.must(["rm", id]);
  });

  it("stop kills a container that ignores the signal", async () => {
    const id = await podman.start([], ["sh", "-c", `trap '' TERM; ${forever}`]);
    await podman.must(["stop", "--time", "1", id]);
    assert.equal(await podman.inspect(id, ".State.ExitCode"), "137");
    await podman.must(["rm", id]);
  });

  it("kill passes any signal, wait gives the status, start runs it again", async () => {
    const id = await podman.start([], ["sh", "-c", `trap 'exit 8' USR1; echo x >>/count; echo up; ${forever}`]);
    await logs(id, "up\n");
    await podman.must(["kill", "--signal", "USR1", id]);
    assert.equal(await podman.ask(["wait", id]), "8");
    await podman.must(["start", id]);
    await logs(id, "up\nup\n");
    assert.equal((await podman.must(["exec", id, "cat", "/count"])).stdout, "x\nx\n");
    await podman.must(["kill", id]);
    assert.equal(await podman.ask(["wait", id]), "137");
    await podman.must(["rm", id]);
  });

  it("create, init and start are three steps", async () => {
    const id = await podman.ask(["create", "--network", "none", image, "sh", "-c", "echo ran; exit 7"]);
    assert.equal(await podman.inspect(id, ".State.Status"), "created");
    await podman.must(["init", id]);
    assert.equal(await podman.inspect(id, ".State.Status"), "initialized");
    assert.equal((await podman.must(["logs", id])).stdout, "");
    await podman.must(["start", id]);
    assert.equal(await podman.ask(["wait", id]), "7");
    assert.equal((await podman.must(["logs", id])).stdout, "ran\n");
    await podman.must(["rm", id]);
  });

  it("a restart policy restarts it as often as it says", async () => {
    const shared = path.join(podman.directory, "rounds");
    await mkdir(shared);
    const flags = ["--restart", "on-failure:2", "--volume", `${shared}:/shared`];
    const id = await podman.start(flags, ["sh", "-c", "echo x >>/shared/rounds; exit 3"]);
    const rounds = () => readFile(path.join(shared, "rounds"), "utf8").catch(() => "");
    await eventually("the third run", async () => ((await rounds()) === "x\nx\nx\n" ? true : undefined), 60_000);
    const state = () => podman.inspect(id, ".State.Status");
    await eventually("its end", async () => ((await state()) === "exited" ? true : undefined));
    assert.equal(await podman.inspect(id, ".State.ExitCode"), "3");
    await podman.must(["rm", id]);
    assert.equal(await rounds(), "x\nx\nx\n");
  });

  it("rm -f removes a running or paused container completely", async () => {
    const running = await podman.start([], ["sleep", "1000"]);
    await podman.must(["rm", "--force", "--time", "0", running]);
    const paused = await podman.start([], ["sleep", "1000"]);
    await podman.must(["pause", paused]);
    await podman.must(["rm", "--force", "--time", "0", paused]);
    assert.equal(await podman.ask(["ps", "--all", "--quiet"]), "");
  });

  it("attach follows a container to its end", async () => {
    const id = await podman.start(["--interactive"], ["sh", "-c", "read line; echo got $line; exit 4"]);
    const finished = await podman.call(["attach", id], { stdin: "word\n" });
    assert.match(finished.stdout, /^got word\n/, show(finished));
    assert.equal(await podman.ask(["wait", id]), "4");
    await podman.must(["rm", id]);
  });
});
