import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { zshCompletion } from "./zsh.ts";

const installed = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0;
const needs = (shell: string) => ({ skip: installed(shell) ? false : `${shell} is not installed` });

/** Stands for `kumite`: lists the containers of a root and answers nothing else. */
const fakeKumite = `#!/bin/sh
case "$*" in
  'list -q') echo web-1; echo db ;;
  '--root /r list -q' | '--root=/r list -q') echo other ;;
esac
`;

describe("shell completion", () => {
  let directory: string;
  let environment: Record<string, string>;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-completion-"));
    writeFileSync(join(directory, "kumite"), fakeKumite, { mode: 0o755 });
    writeFileSync(join(directory, "config.json"), "");
    for (const [shell, text] of Object.entries({
      bash: bashCompletion(),
      zsh: zshCompletion(),
      fish: fishCompletion(),
    })) {
      writeFileSync(join(directory, `_kumite.${shell}`), text);
    }
    environment = { PATH: `${directory}:${process.env.PATH}`, HOME: directory };
  });
  after(() => rmSync(directory, { recursive: true }));

  const run = (shell: string, ...args: string[]): string[] =>
    execFileSync(shell, args, { cwd: directory, env: environment, encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "");

  /** What the shell offers for the last word. */
  const offers: Readonly<Record<string, (words: string) => string[]>> = {
    bash: (words) => {
      const script = `source _kumite.bash; COMP_WORDS=(${words.replaceAll("=", " = ").replace(/ $/, " ''")}); \
        COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _kumite; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return run("bash", "--norc", "-c", script);
    },
    fish: (words) =>
      run("fish", "--no-config", "-c", `source _kumite.fish; complete -C '${words}'`).map(
        (line) => line.split("\t")[0] ?? "",
      ),
  };

  for (const [shell, complete] of Object.entries(offers)) {
    describe(`for ${shell}`, needs(shell), () => {
      it("offers verbs, also after a global flag and its value", () => {
        assert.deepEqual(complete("kumite sta").sort(), ["start", "state"]);
        assert.deepEqual(complete("kumite --log /x sta").sort(), ["start", "state"]);
        assert.ok(complete("kumite help ").includes("exec"));
      });

      it("offers existing containers, in the given root", () => {
        assert.deepEqual(complete("kumite start ").sort(), ["db", "web-1"]);
        assert.deepEqual(complete("kumite kill w"), ["web-1"]);
        assert.deepEqual(complete("kumite --root /r delete --force "), ["other"]);
        assert.deepEqual(complete("kumite --root=/r state "), ["other"]);
        assert.deepEqual(complete("kumite create "), [], "that is a new one");
      });

      it("offers flags of the verb, except those that are refused", () => {
        assert.deepEqual(complete("kumite delete --f"), ["--force"]);
        const flags = complete("kumite exec --");
        assert.ok(flags.includes("--process") && flags.includes("--help"));
        assert.ok(!flags.includes("--ignore-paused"));
        assert.ok(!complete("kumite --").includes("--force"));
      });

      it("offers the possible values of a flag or an argument", () => {
        assert.deepEqual(complete("kumite list --format ").sort(), ["json", "table"]);
        assert.deepEqual(complete("kumite kill web-1 US").sort(), ["USR1", "USR2"]);
        assert.deepEqual(complete("kumite completion ").sort(), ["bash", "fish", "zsh"]);
        assert.deepEqual(complete("kumite run --config con"), ["config.json"]);
      });
    });
  }

  it("for zsh is a function that zsh accepts and finds by its name", needs("zsh"), () => {
    const script =
      "autoload -U compinit; compinit -u -d zcompdump; source _kumite.zsh; echo $_comps[kumite]; _kumite_verbs";
    assert.deepEqual(run("zsh", "-f", "-c", `${script} 2>/dev/null; true`), ["_kumite"]);
  });
});
