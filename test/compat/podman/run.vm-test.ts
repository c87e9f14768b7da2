/** podman 4.3 and containers in the foreground, without a network. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { describe as show } from "../../support/command.ts";
import { LoopDevice } from "../../support/disk-image.ts";
import { onlyKumite } from "../../support/workplace.ts";
import { expectInteractiveShell } from "../engine-client.ts";
import { image, type Podman, usePodman } from "./podman.ts";

describe("podman and a container in the foreground", () => {
  let podman: Podman;
  usePodman((opened) => {
    podman = opened;
  });

  it("run passes output, errors and the exit status", async () => {
    const finished = await podman.run([], ["sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["out\n", "err\n", 42]);
  });

  it("run uses a VM of its own", onlyKumite, async () => {
    const { stdout } = await podman.run([], ["uname", "-r"]);
    assert.notEqual(stdout.trim(), (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim());
  });

  it("run -i passes piped input and its end", async () => {
    const finished = await podman.run(["--interactive"], ["sh", "-c", "wc -c; echo over"], {
      stdin: "x".repeat(100_000),
    });
    assert.equal(finished.stdout, "100000\nover\n", show(finished));
  });

  it("run -t gives a terminal", async () => {
    const finished = await podman.run(["--tty"], ["sh", "-c", "tty; test -t 1 && echo terminal"]);
    assert.match(finished.stdout, /\/dev\/(pts\/\d+|console)\r\nterminal\r\n/, show(finished));
  });

  it("run -it is an interactive shell", async () => {
    const args = ["run", "--rm", "--network", "none", "--interactive", "--tty", image, "sh"];
    const end = await expectInteractiveShell(podman, args);
    assert.match(end.reports, /terminal restored/);
  });

  it(
    "run has block devices as devices and volumes, and a layer above the engine's root that stays in the VM",
    onlyKumite,
    async () => {
      const file = path.join(podman.directory, "disk");
      await writeFile(file, "on the disk".padEnd(1024 * 1024, "."));
      await using loop = await LoopDevice.attach(file);
      const script = `head -c 11 /dev/given; echo; head -c 11 /mounted; echo; echo new >/etc/new; cat /etc/new
      echo changed____ | dd of=/dev/given conv=notrunc 2>/dev/null; head -c 11 /mounted`;
      const flags = ["--device", `${loop.path}:/dev/given`, "--volume", `${loop.path}:/mounted`];
      const finished = await podman.run([...flags, "--annotation", "io.kumite.rootfs=layers"], ["sh", "-c", script]);
      assert.equal(finished.stdout, "on the disk\non the disk\nnew\nchanged____", show(finished));
    },
  );

  it("run of a command that does not exist exits with 127", async () => {
    const finished = await podman.run([], ["no-such-program"]);
    assert.equal(finished.status, 127, show(finished));
    assert.match(finished.stderr, /no-such-program/);
  });

  it("run of a file that is not executable exits with 126", async () => {
    const finished = await podman.run([], ["/etc/passwd"]);
    assert.equal(finished.status, 126, show(finished));
  });

  it("run --user accepts names", async () => {
    const finished = await podman.run(["--user", "www-data"], ["id"]);
    assert.match(finished.stdout, /uid=33\(www-data\) gid=33\(www-data\)/, show(finished));
  });

  it("run -v shares a directory both ways", async () => {
    const shared = path.join(podman.directory, "shared");
    await mkdir(shared, { recursive: true });
    await writeFile(path.join(shared, "in"), "from the host\n");
    const finished = await podman.run(["-v", `${shared}:/rw`], ["sh", "-c", "cat /rw/in; echo out >/rw/out"]);
    assert.equal(finished.stdout, "from the host\n", show(finished));
    assert.equal(await readFile(path.join(shared, "out"), "utf8"), "out\n");
  });

  it("run has no network but the loopback", async () => {
    assert.equal((await podman.run([], ["ls", "/sys/class/net"])).stdout, "lo\n");
  });
});
