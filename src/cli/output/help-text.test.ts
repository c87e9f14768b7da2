import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commands, type Verb } from "../command-table.ts";
import { globalFlags } from "../global-flags.ts";
import { generalHelp, verbHelp } from "./help-text.ts";

describe("the help text", () => {
  it("lists every verb and global flag", () => {
    const text = generalHelp();
    for (const verb of Object.keys(commands)) assert.match(text, new RegExp(`^  ${verb} +\\S`, "m"));
    for (const { name } of globalFlags) assert.match(text, new RegExp(`^  +(-\\w, )?--${name} `, "m"));
  });

  it("of a verb shows its arguments and flags, and why a flag has no effect", () => {
    assert.match(
      verbHelp("exec"),
      /^Usage: kumite \[global flags\] exec \[flags\] ID \[COMMAND \[ARGUMENT\.\.\.\]\]\n/,
    );
    assert.match(verbHelp("kill"), / ID \[SIGNAL\]\n/);
    assert.match(verbHelp("delete"), / ID\.\.\.\n/);
    assert.match(verbHelp("create"), /^ {2}-b, --bundle DIR +directory with config\.json/m);
    assert.match(verbHelp("create"), /--no-pivot +.*\(no effect: /);
    assert.match(verbHelp("exec"), /--ignore-paused +.*\(refused: /);
    for (const verb of Object.keys(commands) as Verb[]) assert.match(verbHelp(verb), /^ {2}-h, --help /m);
  });

  it("fits into the lines of a terminal, and aligns the further lines of a flag", () => {
    for (const text of [generalHelp(), ...(Object.keys(commands) as Verb[]).map(verbHelp)]) {
      for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
    }
    const [, first = "", second = ""] = /(--ignore-paused.*)\n(.*)/.exec(verbHelp("exec")) ?? [];
    assert.equal(second.search(/\S/), first.indexOf("run the process") + 6, second);
  });
});
