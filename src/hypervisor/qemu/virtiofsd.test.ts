import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  areFew,
  type DaemonRequest,
  daemonProgram,
  filesOfDaemon,
  keepsRights,
  namesOptions,
  openFilesFor,
} from "./virtiofsd.ts";

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
  it("keeps a comma in the directory's path", () => {
    assert.match(options({}), / source=\/a\\,b,/);
    assert.match(options(rust), / --shared-dir=\/a,b /);
  });

  it("sets the requested cache mode in the syntax of either daemon", () => {
    assert.match(options({}), /,cache=always,timeout=0\.02,/);
    assert.match(options({ cache: "never" }), /,cache=none,/);
    assert.match(options({ cache: "metadata" }), /,cache=none,/);
    assert.match(options({ cache: "always" }), /,cache=always,xattr/);
    assert.match(options({ ...rust, cache: "metadata" }), / --cache=metadata /);
  });

  it("allows a million open files if limits may be raised, and otherwise what there is", () => {
    const status = (capabilities: string) => `Name:\tnode\nCapEff:\t${capabilities}\nSeccomp:\t0\n`;
    assert.equal(openFilesFor(status("000001ffffffffff"), "1048576\n"), 1_000_000);
    assert.equal(openFilesFor(status("000001ffffffffff"), "65536\n"), 65_536);
    assert.equal(openFilesFor(status("000001fffeffffff"), "1048576\n"), 0);
    assert.equal(openFilesFor("", ""), 0);
    for (const program of [request.program, rust.program]) {
      assert.match(options({ program, openFiles: 1000 }), / --rlimit-nofile=1000$/);
    }
  });

  it("lets the daemon create files with its own capabilities if they can be kept", () => {
    assert.ok(keepsRights("CapEff:\t0000000000000100\n"));
    assert.ok(!keepsRights("CapEff:\t0000000000000000\n") && !keepsRights(""));
    assert.deepEqual(
      [true, false].map((keeps) => daemonProgram({ ...request, keepsRights: keeps }).rightsAsAnyUser),
      [true, false],
    );
  });

  it("shows how many files it can have open, whoever set the limit", () => {
    const limits = "Max processes  7  7  processes\nMax open files            20000   20000   files\n";
    assert.equal(filesOfDaemon(1_000_000, [], limits), 1_000_000);
    assert.equal(filesOfDaemon(0, ["-d"], limits), 20_000);
    assert.equal(filesOfDaemon(0, ["--rlimit-nofile=5", "--rlimit-nofile=4000"], limits), 4000);
    assert.equal(filesOfDaemon(1_000_000, ["--rlimit-nofile=0"], limits), 20_000);
    assert.equal(filesOfDaemon(0, [], "Max open files  unlimited  unlimited  files"), 1_000_000);
  });

  it("disables looking up all files of a directory if the limit is low", () => {
    assert.match(options({ fewFiles: true }), /,no_readdirplus,/);
    assert.doesNotMatch(options({}), /readdirplus/);
    assert.deepEqual([areFew(20_000), areFew(1_000_000)], [true, false]);
  });

  it("corresponds to a limit of names for the agent, if the guest has memory for more", () => {
    assert.deepEqual(namesOptions(20_000, 2048, "kvm"), ["kumite.names=5000", "kumite.every_ms=50"]);
    assert.deepEqual(namesOptions(20_000, 2048, "tcg"), ["kumite.names=5000", "kumite.every_ms=250"]);
    assert.deepEqual(namesOptions(1_000_000, 2048, "tcg"), ["kumite.names=250000", "kumite.every_ms=2500"]);
    assert.deepEqual(namesOptions(1_000_000, 512, "kvm"), []);
  });

  it("ends with the caller's additional arguments, except those of the other daemon only", () => {
    const extraArguments = ["--thread-pool-size=1", "--announce-submounts"];
    assert.match(options({ extraArguments }), / --thread-pool-size=1$/);
    assert.equal(options({ extraArguments }).includes("--announce-submounts"), false);
    assert.match(options({ ...rust, extraArguments }), / --thread-pool-size=1$/);
  });
});
