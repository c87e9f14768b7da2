import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

const repository = resolve(import.meta.dirname, "..");
let top = "";

function put(path: string, script: string): string {
  const file = join(top, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, script);
  chmodSync(file, 0o755);
  return file;
}

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "kumite-set-up-"));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

describe("the set-up", () => {
  /** Runs in a tree of its own, with programs that describe another host. */
  const setUp = (programs: Readonly<Record<string, string>>) => {
    cpSync(join(repository, "tools/setup.sh"), join(top, "tree/tools/setup.sh"));
    for (const [name, says] of Object.entries(programs)) put(`programs/${name}`, `#!/bin/sh\n${says}\n`);
    const path = `${join(top, "programs")}:${dirname(process.execPath)}:/usr/bin:/bin`;
    const script = join(top, "tree/tools/setup.sh");
    return spawnSync(script, { encoding: "utf8", env: { PATH: path }, stdio: ["ignore", "pipe", "pipe"] });
  };

  it("without root lists what is missing, and changes nothing", () => {
    const { status, stderr } = setUp({ "dpkg-query": "echo installed gcc", id: "echo 1000" });
    assert.equal(status, 1);
    assert.match(stderr, /only root can install them/);
    assert.match(stderr, /^ {2}qemu-system-x86$/m);
    assert.match(stderr, /^ {2}musl-tools$/m);
    assert.doesNotMatch(stderr, /^ {2}gcc$/m);
    assert.deepEqual(readdirSync(join(top, "tree")).sort(), ["build", "tools"]);
    assert.deepEqual(readdirSync(join(top, "tree/build")), ["setup.lock"]);
  });

  it("lists what is needed on a distribution that it does not know", () => {
    const { status, stderr } = setUp({ "dpkg-query": "exit 1", uname: "echo riscv64" });
    assert.equal(status, 1);
    assert.match(stderr, /on riscv64, and only Debian 12 on x86_64 is set up by itself/);
    assert.match(stderr, /^ {2}qemu-system-x86$/m);
  });

  it("says which Node it needs", () => {
    const { status, stderr } = setUp({ node: '[ "$1" = --version ] && echo v18.0.0; exit 1' });
    assert.equal(status, 1);
    assert.match(stderr, /node is v18\.0\.0, but 20\.11 or newer is needed/);
  });

  it("refuses an argument it does not know", () => {
    const { status, stderr } = spawnSync(join(repository, "tools/setup.sh"), ["--fast"], { encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /unknown argument --fast/);
  });
});

describe("the launcher", () => {
  const launcher = () => {
    const file = join(top, "tree/bin/kumite");
    cpSync(join(repository, "bin/kumite"), file);
    return file;
  };

  it("runs what was built, through links, from anywhere, without PATH", () => {
    put("tree/build/libexec/kumite/kumite", '#!/bin/sh\necho "$0: $*"\n');
    symlinkSync(launcher(), join(top, "link"));
    symlinkSync("link", join(top, "link-to-link"));
    for (const [cwd, command] of [
      ["/", join(top, "tree/bin/kumite")],
      [top, "./link-to-link"],
      [join(top, "tree/bin"), "./kumite"],
    ] as const) {
      const output = execFileSync(command, ["a b", "c"], { cwd, env: {}, encoding: "utf8" });
      assert.match(output, /build\/libexec\/kumite\/kumite: a b c\n$/);
    }
  });

  it("says what to do when nothing was built", () => {
    const { status, stdout, stderr } = spawnSync(launcher(), ["state", "x"], { encoding: "utf8", env: {} });
    assert.deepEqual([status, stdout], [1, ""]);
    assert.equal(stderr, `kumite: not built yet: run \`npm run setup\` in ${join(top, "tree")}\n`);
  });
});
