/** Access to a guest from the host: its console, and a shell beside its containers. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const withShell = ["--set", "agent.kata.debug_console_enabled=true"];

describe("the guest of a container", onlyKumite, () => {
  let place: Workplace;
  let withConsole: string;
  let without: string;
  before(async () => {
    place = await Workplace.open("debug");
    const bundle = await place.bundle(shell("while :; do sleep 1; done"));
    [withConsole, without] = [place.newId(), place.newId()];
    await create(withConsole, bundle, withShell);
    await create(without, bundle, []);
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  /** The container keeps the verb's streams, so they must not be pipes whose end a caller waits for. */
  async function create(id: string, bundle: Bundle, flags: readonly string[]): Promise<void> {
    const words = place.argv(...flags, "create", "--bundle", bundle.directory, id);
    await succeed(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...words]);
  }

  it("can be entered by a shell beside the container when the configuration allows it", async () => {
    const script =
      'echo "first: $(cat /proc/1/comm)"\ntty\nls /proc/self/exe /bin 2>&1\nps | grep -c "[s]leep"\nexit\n';
    const { stdout } = await place.must(["debug", "shell", withConsole], { stdin: script });
    assert.match(stdout, /first: init\r\n/, "the agent is process 1, not the container's program");
    assert.match(stdout, /\/dev\/pts\/\d+\r\n/, "it has a terminal");
    assert.match(stdout, /ls: \/bin: No such file or directory/, "it is not in the container");
    // The guest's messages arrive separately.
    const lines = await eventually("the end of the shell is in the log", async () => {
      const { stdout } = await place.must(["logs", "--source", "agent", withConsole]);
      return stdout.includes("a debug shell has ended") ? stdout : undefined;
    });
    assert.match(lines, /the debug console is enabled/);
  });

  it("ends its shell when the shell's input ends, even without any input", async () => {
    for (const stdin of ["", "tty\n"]) {
      const { stdout } = await place.must(["debug", "shell", withConsole], { stdin });
      assert.equal(/\/dev\/pts\/\d+\r\n/.test(stdout), stdin !== "", stdout);
    }
  });

  it("shows new console output to a viewer, who can come and go", async () => {
    const looking = place.begin(["debug", "console", withConsole], { stdin: "" });
    await looking.untilOutput("sandbox created");
    const typed = 'printf "\\033[31mto the %s\\033[0m\\n" console >/dev/console\nexit\n';
    await place.must(["debug", "shell", withConsole], { stdin: typed });
    const seen = await looking.untilOutput("to the console");
    assert.ok(!seen.includes("\u001b"), "control characters are left out");
    process.kill(looking.pid, "SIGTERM");
    await looking.finished;
    assert.equal((await place.state(withConsole)).status, "created");
  });

  it("cannot be entered otherwise, and the refusal says what to configure", async () => {
    const refused = await place.runtime(["debug", "shell", without], { stdin: "exit\n" });
    assert.equal(refused.status, 1, show(refused));
    assert.match(refused.stderr, /its guest has no debug shell/);
    assert.match(refused.stderr, /try: .*--set agent\.kata\.debug_console_enabled=true/);
    const dynamic = place.path("program");
    await writeFile(dynamic, "#!/bin/sh\n");
    const bad = await place.runtime(["debug", "shell", "--program", dynamic, withConsole], { stdin: "" });
    assert.match(bad.stderr, /is not a statically linked program/);
  });
});
