import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { commands } from "../../src/cli/command-table.ts";
import { globalFlags } from "../../src/cli/global-flags.ts";
import { manPages } from "./man-page.ts";

const groff = spawnSync("groff", ["--version"]).status === 0;

describe("the manual pages", () => {
  const pages = manPages("1.2.3");

  it("are one for the program with every verb and global flag, and one for each verb", () => {
    assert.deepEqual([...pages.keys()], ["kumite.8", ...Object.keys(commands).map((verb) => `kumite-${verb}.8`)]);
    const program = pages.get("kumite.8") ?? "";
    for (const verb of Object.keys(commands)) assert.ok(program.includes(`.BR kumite\\-${verb} (8)`), verb);
    for (const { name } of globalFlags) assert.ok(program.includes(`\\-\\-${name.replaceAll("-", "\\-")}\\fR`), name);
  });

  it("say what a flag does, and why it has no effect or is refused", () => {
    const create = pages.get("kumite-create.8") ?? "";
    assert.match(create, /\\fB\\-b\\fR, \\fB\\-\\-bundle\\fR \\fIDIR\\fR\nDirectory with config\.json/);
    assert.match(create, /No effect: /);
    assert.match(pages.get("kumite-exec.8") ?? "", /Refused: in a paused container/);
  });

  it("are accepted by groff without a warning", { skip: groff ? false : "groff is not installed" }, () => {
    for (const [name, text] of pages) {
      const { stdout, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-P-cbou"], {
        input: text,
        encoding: "utf8",
      });
      assert.equal(stderr, "", name);
      assert.match(stdout, /NAME/);
    }
  });
});
