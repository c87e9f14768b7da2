/** What a container may not do in its VM, whatever its capabilities. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { podmanProfile } from "../../src/seccomp/testing/podman-profile.testing.ts";
import { type OciConfig, shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

/**
 * Makes a node for every device of the VM, and one for a disk that may be added; prints which of them can be opened.
 */
const openEverything = `
  try() {
    rm -f /tmp/$$ && mknod /tmp/$$ $2 \${3%:*} \${3#*:} || echo "$1 cannot be made"
    why=$(true 2>&1 < /tmp/$$) && echo "$1 opened" && return
    case $why in *"not permitted") echo "$1 refused" ;; *) echo "$1 reached" ;; esac
  }
  for dev in /sys/class/*/*/dev /sys/block/*/dev; do
    [ -e $dev ] || continue
    name=\${dev%/dev}; kind=c; case $dev in /sys/block/*) kind=b ;; esac
    case \${name##*/} in ptmx|kmsg|tty[1-9]*|vcs*) continue ;; esac
    try \${name##*/} $kind $(cat $dev)
  done
  try disk b 254:0`;

const usual = new Set(["null", "zero", "full", "random", "urandom", "tty"]);

function withMknod(config: OciConfig): void {
  const capabilities = ["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYS_RAWIO"];
  config.process.capabilities = {
    bounding: capabilities,
    effective: capabilities,
    permitted: capabilities,
    inheritable: [],
    ambient: [],
  };
}

function answers(output: string): Map<string, string> {
  return new Map(
    output
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
}

describe("a container with all capabilities", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("confined");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("can open only the devices that every container may, in its first process and in others", async () => {
    const bundle = await place.bundle(shell(`${openEverything}; sleep 1000`), withMknod);
    const id = await place.runDetached(bundle);
    const further = await place.must(["exec", "--cap", "CAP_MKNOD", id, "sh", "-c", openEverything]);
    await place.remove(id);
    const first = await place.run(await place.bundle(shell(openEverything), withMknod));
    for (const result of [first, further]) {
      const found = answers(result.stdout);
      assert.ok(
        [...found.keys()].some((name) => name.startsWith("vport")),
        show(result),
      );
      // A kernel may have no /dev/mem.
      assert.ok(found.has("console"), show(result));
      for (const [name, answer] of found) {
        if (!usual.has(name)) assert.equal(answer, "refused", `${name}\n${show(result)}`);
        else assert.notEqual(answer, "refused", `${name}\n${show(result)}`);
      }
    }
  });

  it("can open the devices that a rule allows", async () => {
    const bundle = await place.bundle(shell(openEverything), withMknod, (config) => {
      config.linux.resources = {
        devices: [
          { allow: false, access: "rwm" },
          { allow: true, type: "b", major: 254, minor: 0, access: "rw" },
          { allow: true, type: "c", access: "rwm" },
        ],
      };
    });
    const result = await place.run(bundle);
    const found = answers(result.stdout);
    const [port = "none"] = [...found.keys()].filter((name) => name.startsWith("vport"));
    // The port is busy, because the agent has it open.
    assert.equal(found.get(port), "reached", show(result));
    assert.equal(found.get("disk"), "reached", show(result));
  });

  it("is refused at once when its seccomp profile is invalid", async () => {
    const bundle = await place.bundle(shell("true"), (config) => {
      config.linux.seccomp = { defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/run/listener" };
    });
    const result = await place.run(bundle);
    assert.equal(result.status, 1);
    assert.match(
      result.stderr,
      /linux\.seccomp\.listenerPath is not supported: a listener on the host cannot reach into a VM/,
    );
  });
});

describe("a container with a seccomp profile", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("seccomp");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("is under it from its first instruction on, and so are exec processes", async () => {
    const seccomp = podmanProfile();
    // $$ makes the name unique: the container's first process runs the same script at the same time.
    const script = "grep ^Seccomp: /proc/self/status; mkdir /tmp/x; touch /tmp/$$ && rm /tmp/$$ && echo fine";
    const refused = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 };
    const syscalls = (seccomp.syscalls as { names: string[] }[]).map((rule) => ({
      ...rule,
      names: rule.names.filter((name) => !refused.names.includes(name)),
    }));
    for (const noNewPrivileges of [true, false]) {
      const bundle = await place.bundle(shell(`(${script}) >/first 2>&1; mv /first /own; sleep 1000`), (config) => {
        config.process.noNewPrivileges = noNewPrivileges;
        config.linux.seccomp = { ...seccomp, syscalls: [...syscalls, refused] };
      });
      const id = await place.runDetached(bundle);
      const result = await place.must(["exec", id, "sh", "-c", script]);
      assert.equal(result.stdout, "Seccomp:\t2\nfine\n", show(result));
      assert.match(result.stderr, /can't create directory '\/tmp\/x': No space left on device/);
      const own = await eventually("the first process's own", () =>
        readFile(path.join(bundle.rootfs, "own"), "utf8").catch(() => undefined),
      );
      assert.match(own, /^Seccomp:\t2\n.*No space left on device\nfine\n$/);
      await place.remove(id);
    }
  });

  it("ends by SIGSYS where the profile says so", async () => {
    for (const action of ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"]) {
      const bundle = await place.bundle(shell("exec mkdir /tmp/x"), (config) => {
        config.linux.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          syscalls: [{ names: ["mkdir", "mkdirat"], action }],
        };
      });
      assert.equal((await place.run(bundle)).status, 128 + 31, action);
    }
  });
});
