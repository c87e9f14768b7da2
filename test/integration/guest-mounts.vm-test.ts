/**
 * What mounts of every kind look like from inside, and what they deny a container. Each test checks one fact of one
 * container.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type OciConfig, shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { expectNothingNew, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { isKumite, onlyKumite, Workplace } from "../support/workplace.ts";

/** Prints `key=value` lines; the lines of a longer value are joined by `;`. */
const say = 'say() { echo "$1=$(echo "$2" | tr "\\n" ";")"; }\n';
const script = `${say}
options() { awk -v p="$1" '$5 == p {print $6}' /proc/self/mountinfo; }
say copied "$(cat /full/file; stat -c '%a %u' /full /full/file)"
say kept "$(stat -c %a /kept)"
say given "$(stat -c '%a %u %g' /given)"
say closed "$(touch /closed/x 2>&1; cat /closed/in)"
say relative "$(options /some/where)"
say dangling "$(cat /run/resolve)"
say resized "$(df -k /given | awk 'NR == 2 {print $2}')"
say types "$(for p in /proc /sys /dev/pts /dev/mqueue /huge /ram; do awk -v p=$p '$2 == p {print $3}' /proc/mounts; done | tr '\n' ' ')"
say hidden "$(head -c 10 /etc/hidden | wc -c; echo x >/etc/hidden && echo taken)"
say laid "$(cat /laid/below; echo changed >/laid/below; cat /laid/below)"
say attributes "$(options /attributes)"
say cwd "$(pwd; ls 2>&1 | head -1 | grep -c denied)"
say rlimit "$(ulimit -Hn)"
say machine "$(uname -m)"
say uptime "$(cut -d. -f1 /proc/uptime)"
say hook "$(cat /data/hook)"
say sealed "$(for p in /proc/sys /sys; do awk -v p=$p '$5 == p {print $6}' /proc/self/mountinfo | cut -d, -f1; done | sort -u)"
`;

describe("a container with mounts of every kind", () => {
  let place: Workplace;
  let start: Machine;
  let facts: Map<string, string>;
  let lower: string;

  before(async () => {
    place = await Workplace.open("guest-mounts");
    start = lookAtMachine({ directories: [place.root] });
    const file = place.path("file");
    await writeFile(file, "one\n");
    const data = place.path("data");
    const layers = place.path("layers");
    lower = path.join(layers, "lower");
    for (const directory of [data, lower, path.join(layers, "upper"), path.join(layers, "work")]) {
      await mkdir(directory, { recursive: true });
    }
    await writeFile(path.join(lower, "below"), "below\n");
    const bundle = await place.bundle(shell(script), configure({ file, data, layers }));
    await mkdir(path.join(bundle.rootfs, "full"), { mode: 0o755 });
    await writeFile(path.join(bundle.rootfs, "full/file"), "was here\n", { mode: 0o640 });
    await mkdir(path.join(bundle.rootfs, "kept"), { mode: 0o751 });
    await mkdir(path.join(bundle.rootfs, "secret"), { mode: 0o700 });
    await symlink("../run/resolve", path.join(bundle.rootfs, "etc/dangling"));
    const finished = await place.run(bundle);
    assert.equal(finished.status, 0, show(finished));
    const lines = finished.stdout.trimEnd().split("\n");
    facts = new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1, -1)]));
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });

  function configure({ file, data, layers }: { file: string; data: string; layers: string }) {
    return (config: OciConfig): void => {
      const tmpfs = (destination: string, ...options: string[]) => ({
        destination,
        type: "tmpfs",
        source: "tmpfs",
        options,
      });
      const bind = (destination: string, source: string, ...options: string[]) => ({
        destination,
        type: "bind",
        source,
        options: ["bind", ...options],
      });
      const overlay = ["lower", "upper", "work"].map((name) => `${name}dir=${path.join(layers, name)}`);
      config.process.cwd = "/secret";
      // Higher than a host may allow itself, and not supported by runc 1.1.
      if (isKumite) {
        config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 64, hard: 2 ** 22 }];
        config.linux.namespaces.push({ type: "time" });
        config.linux.timeOffsets = { boottime: { secs: 1_000_000, nanosecs: 0 } };
      }
      config.mounts.push(
        tmpfs("/full", "tmpcopyup"),
        tmpfs("/kept"),
        tmpfs("/given", "mode=1750,uid=7", "gid=8"),
        tmpfs("/closed", "ro"),
        bind("/closed/in", file),
        tmpfs("some//where", "noexec"),
        bind("/etc/dangling", file),
        bind("/etc/hidden", "/dev/null"),
        bind("/data", data),
        { destination: "/laid", type: "overlay", source: "overlay", options: overlay },
        { destination: "/given", type: "tmpfs", source: "tmpfs", options: ["remount", "size=192k", "mode=1750"] },
        { destination: "/huge", type: "hugetlbfs", source: "hugetlbfs", options: ["pagesize=2M", "size=4M"] },
        { destination: "/ram", type: "ramfs", source: "ramfs" },
        tmpfs("/attributes", "nosuid", "nodev", "noexec", "noatime", "ro"),
      );
      config.hooks = {
        startContainer: [
          { path: "/bin/sh", args: ["sh", "-c", "cat >/data/hook; echo $A >>/data/hook"], env: ["A=b"] },
        ],
      };
    };
  }

  function fact(name: string): string {
    const value = facts.get(name);
    assert.ok(value !== undefined, `the container did not say ${name}: ${[...facts.keys()].join(" ")}`);
    return value;
  }

  it("copies what a tmpfs covers if tmpcopyup asks for it", () => assert.equal(fact("copied"), "was here;755 0;640 0"));
  it("gives a tmpfs the mode of the directory that it covers", () => assert.equal(fact("kept"), "751"));
  it("gives a tmpfs the mode and owner of its options", () => assert.equal(fact("given"), "1750 7 8"));
  it("has every file system type of the specification, and others of the kernel", () => {
    assert.equal(fact("types"), "proc sysfs devpts mqueue hugetlbfs ramfs ");
  });
  it("resizes a tmpfs by a remount", () => assert.equal(fact("resized"), "192"));
  it("has a tmpfs that becomes read-only after mount points were created in it", () => {
    assert.match(fact("closed"), /Read-only file system;one$/);
  });
  it("resolves a relative destination from its root", () => assert.match(fact("relative"), /noexec/));
  it("follows a dangling link within its root", () => assert.equal(fact("dangling"), "one"));
  it("hides a file by a bind of /dev/null", () => assert.equal(fact("hidden"), "0;taken"));
  it("overlays directories", async () => {
    assert.equal(fact("laid"), "below;changed");
    assert.equal(await readFile(path.join(lower, "below"), "utf8"), "below\n");
  });
  it("applies mount attributes", () => assert.match(fact("attributes"), /^ro,nosuid,nodev,noexec,noatime/));
  it("has read-only mounts where the configuration says so", () => assert.equal(fact("sealed"), "ro"));

  it("starts in a working directory that its user may not enter", () => assert.match(fact("cwd"), /^\/secret;/));
  it("can have resource limits above the kernel's default maximum", onlyKumite, () =>
    assert.equal(fact("rlimit"), String(2 ** 22)),
  );
  it("has the clock of its time namespace", onlyKumite, () => assert.ok(Number(fact("uptime")) >= 1_000_000));
  it("tells its hooks the state", () => {
    const [json, word] = fact("hook").split(/(?<=\})(?=b)/);
    assert.equal(word, "b");
    const state = JSON.parse(json ?? "") as Record<string, unknown>;
    assert.deepEqual([state.status, state.pid], ["created", 1]);
  });
});

describe("a container with CAP_SYS_ADMIN", () => {
  it("finds nothing below its root, and nothing above it by a file handle", onlyKumite, async () => {
    await using place = await Workplace.open("uncover");
    const helper = await nativeHelper("uncover");
    const bundle = await place.bundle((config) => {
      config.process.args = ["/uncover"];
      for (const set of ["bounding", "effective", "permitted"] as const) {
        config.process.capabilities?.[set].push(
          "CAP_SYS_ADMIN",
          "CAP_SYS_CHROOT",
          "CAP_DAC_OVERRIDE",
          "CAP_DAC_READ_SEARCH",
        );
      }
    });
    await copyFile(helper, path.join(bundle.rootfs, "uncover"));
    const finished = await place.run(bundle);
    assert.equal(finished.status, 0, show(finished));
    const lines = finished.stdout.trimEnd().split("\n");
    assert.match(lines.pop() ?? "", /^uncovered [1-5]$/);
    assert.deepEqual(lines, ["handle: Stale file handle"]);
  });
});
