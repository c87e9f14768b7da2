import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DaemonRequest, daemonProgram, openFilesFor } from "./virtiofsd.ts";

const request: DaemonRequest = {
  program: "/usr/lib/qemu/virtiofsd",
  directory: { tag: "shared", path: "/a,b" },
  socket: "/run/fs0.sock",
  cgroups: [],
  openFiles: 0,
};
const rust = { ...request, program: "/usr/libexec/virtiofsd" };
const options = (changes: Partial<DaemonRequest>): string => daemonProgram({ ...request, ...changes }).argv.join(" ");

describe("the file-sharing daemon's command line", () => {
  it("keeps a comma of the directory part of it", () => {
    assert.match(options({}), / source=\/a\\,b,/);
    assert.match(options(rust), / --shared-dir=\/a,b /);
  });

  it("has the cache mode that is asked for, in the words of either daemon", () => {
    assert.match(options({}), /,cache=always,timeout=0\.02,/);
    assert.match(options({ cache: "never" }), /,cache=none,/);
    assert.match(options({ cache: "metadata" }), /,cache=none,/);
    assert.match(options({ cache: "always" }), /,cache=always,xattr/);
    assert.match(options({ ...rust, cache: "metadata" }), / --cache=metadata /);
  });

  it("may have a million files open, where limits may be raised, and else what there is", () => {
    const status = (capabilities: string) => `Name:\tnode\nCapEff:\t${capabilities}\nSeccomp:\t0\n`;
    assert.equal(openFilesFor(status("000001ffffffffff"), "1048576\n"), 1_000_000);
    assert.equal(openFilesFor(status("000001ffffffffff"), "65536\n"), 65_536);
    assert.equal(openFilesFor(status("000001fffeffffff"), "1048576\n"), 0);
    assert.equal(openFilesFor("", ""), 0);
    for (const program of [request.program, rust.program]) {
      assert.match(options({ program, openFiles: 1000 }), / --rlimit-nofile=1000$/);
    }
  });

  it("ends with more arguments of the caller, but for those that only the other daemon knows", () => {
    const extraArguments = ["--thread-pool-size=1", "--announce-submounts"];
    assert.match(options({ extraArguments }), / --thread-pool-size=1$/);
    assert.equal(options({ extraArguments }).includes("--announce-submounts"), false);
    assert.match(options({ ...rust, extraArguments }), / --thread-pool-size=1$/);
  });
});
