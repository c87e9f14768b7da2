import { supportedMountOptions } from "../../oci/mount-options.ts";
import type { OciSpec } from "../../oci/spec.ts";
import { output } from "../../sys/contract/scratch.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { isKumiteError } from "../../util/errors.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, run } from "../testing/container.testing.ts";
import { guestShared, specOf } from "../testing/spec.testing.ts";

type Mount = NonNullable<OciSpec["mounts"]>[number];

const bind = (destination: string, ...options: string[]): Mount => {
  return { destination, type: "bind", source: `${guestShared}/volume`, options };
};
const tmpfs = (destination: string, ...options: string[]): Mount => {
  return { destination, type: "tmpfs", source: "tmpfs", options };
};

async function seen(agent: TestAgent, script: string, ...mounts: Mount[]): Promise<string> {
  const { out, err } = await run(agent, script, { mounts });
  return `${out}${err}`.trimEnd();
}

async function refusal(agent: TestAgent, ...mounts: Mount[]): Promise<string> {
  const before = await agent.state();
  let said = "nothing was refused";
  try {
    await createContainer(agent, specOf(["true"], { mounts }), "web");
  } catch (error) {
    if (!isKumiteError(error)) throw error;
    said = `${error.code}: ${error.message}`;
  }
  assert.deepEqual(await agent.state(), before);
  return said;
}

/** A script that prints the options of these mounts as the container sees them. */
const optionsOf = (...paths: string[]): string =>
  paths.map((path) => `awk '$5 == "${path}" {print $6}' /proc/self/mountinfo`).join("; ");

describe("a tmpfs of a container", () => {
  it("has the mode of the directory that it covers, unless a mode is given or it covers nothing", async () => {
    await using agent = await startAgent();
    await output(os, `cd "$1"; mkdir -m 751 kept; mkdir -m 700 given`, { args: [`${agent.shared}/box/rootfs`] });
    const mounts = [tmpfs("/kept"), tmpfs("/given", "mode=1750", "uid=7", "gid=8"), tmpfs("/made")];
    assert.equal(await seen(agent, "stat -c '%a %u:%g' /kept /given /made", ...mounts), "751 0:0\n1750 7:8\n1777 0:0");
  });

  it("starts with a copy of what it covers if that is requested", async () => {
    await using agent = await startAgent();
    await output(
      os,
      `cd "$1"; mkdir -m 750 full; cd full; echo text >file; chmod 4711 file; mkdir -m 711 sub; echo deep >sub/deep
       chown -R 5:6 sub; ln -s /nowhere link; mkfifo -m 640 pipe; head -c 200000 /dev/zero >big; : >empty`,
      { args: [`${agent.shared}/box/rootfs`] },
    );
    const script = `cd /full; stat -c '%a %u:%g %F %s %n' . file sub sub/deep link pipe big empty | sed 's/ 4096 / /;s/directory [0-9]* /directory /'
      readlink link; cat file sub/deep; touch /full/new; ls /plain`;
    assert.equal(
      await seen(agent, script, tmpfs("/full", "tmpcopyup", "nosuid"), tmpfs("/plain", "tmpcopyup")),
      [
        "750 0:0 directory .",
        "4711 0:0 regular file 5 file",
        "711 5:6 directory sub",
        "644 5:6 regular file 5 sub/deep",
        "777 0:0 symbolic link 8 link",
        "640 0:0 fifo 0 pipe",
        "644 0:0 regular file 200000 big",
        "644 0:0 regular empty file 0 empty",
        "/nowhere",
        "text",
        "deep",
      ].join("\n"),
    );
    assert.ok(!(await os.files.list(`${agent.shared}/box/rootfs/full`)).includes("new"));
    assert.equal(
      await refusal(agent, tmpfs("/full", "tmpcopyup", "size=64k")),
      "agent/failed: mounting /full: sendfile: no space left on device",
    );
  });

  it("is read-only after its mount points were created", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    const mounts = [tmpfs("/closed", "ro"), bind("/closed/in/side", "bind")];
    // There is no step for a copy, so the agent's own code sets up the second container.
    for (const more of [[], [tmpfs("/etc", "tmpcopyup")]]) {
      assert.equal(
        await seen(agent, "touch /closed/in/side/x && ls /closed/in/side; touch /closed/y", ...mounts, ...more),
        "x\ntouch: /closed/y: Read-only file system",
      );
    }
  });
});

describe("a mount of a container", () => {
  it("covers nothing in /proc except what may differ without harm", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    await os.files.write(`${agent.shared}/volume/file`, "0.00 0.00\n", { mode: 0o644 });
    const file = (destination: string): Mount => ({
      ...bind(destination, "bind"),
      source: `${guestShared}/volume/file`,
    });
    await os.files.symlink("/proc", `${agent.shared}/box/rootfs/kernel`);
    const inside = (path: string) => `oci/spec-invalid: "${path}" cannot be mounted because it is inside /proc`;
    assert.equal(await refusal(agent, file("/proc/version")), inside("/proc/version"));
    assert.equal(await refusal(agent, file("/kernel/version")), inside("/kernel/version"));
    assert.equal(await refusal(agent, tmpfs("/proc/sys")), inside("/proc/sys"));
    const notProc = 'oci/spec-invalid: "/proc" cannot be mounted because it is not of type proc';
    assert.equal(await refusal(agent, bind("/proc", "bind")), notProc);
    assert.equal(await refusal(agent, tmpfs("/proc")), notProc);
    assert.equal(await seen(agent, "cat /proc/uptime", file("/proc/uptime")), "0.00 0.00");
    const guests = { destination: "/proc", type: "bind", source: "/proc", options: ["rbind", "ro"] };
    assert.equal(
      await seen(agent, "{ echo 1 > /proc/sys/kernel/panic; } 2>/dev/null || head -c 4 /proc/self/comm", guests),
      "head",
    );
  });

  it("of proc or sysfs is possible at an ordinary directory", async () => {
    await using agent = await startAgent();
    await os.files.symlink("/tmp", `${agent.shared}/box/rootfs/link`);
    const said = (type: string) => `oci/spec-invalid: filesystem "${type}" must be mounted on ordinary directory`;
    assert.equal(await refusal(agent, { destination: "/link", type: "proc" }), said("proc"));
    assert.equal(await refusal(agent, { destination: "/link/sys", type: "sysfs" }), said("sysfs"));
    const hidden = { destination: "/own", type: "proc", options: ["hidepid=2", "subset=pid", "nosuid"] };
    assert.equal(await seen(agent, "ls -d /own/self /own/uptime 2>/dev/null", hidden), "/own/self");
  });

  it("never covers the root, whatever path leads to it", async () => {
    await using agent = await startAgent();
    await os.files.symlink("/", `${agent.shared}/box/rootfs/up`);
    assert.equal(await refusal(agent, tmpfs("/up")), "oci/spec-invalid: mount /up would cover the root file system");
  });

  it("of a file creates that file if a link is dangling, within the root", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    await os.files.write(`${agent.shared}/volume/file`, "content", { mode: 0o644 });
    await os.files.symlink("../../../run/resolve/stub", `${agent.shared}/box/rootfs/etc/resolv.conf`);
    const mount = { ...bind("/etc/resolv.conf", "bind"), source: `${guestShared}/volume/file` };
    assert.equal(
      await seen(agent, "cat /run/resolve/stub; readlink /etc/resolv.conf", mount),
      "content../../../run/resolve/stub",
    );
  });

  it("that copies a link creates that link, once, in its order", async () => {
    await using agent = await startAgent();
    const link: Mount = { ...bind("/over/a/link", "rbind", "copy-symlink"), source: "../to/no where" };
    const script = "readlink /over/a/link; test -e /a; echo $?";
    assert.equal(await seen(agent, script, tmpfs("/over"), link, link), "../to/no where\n1");
    await os.files.write(`${agent.shared}/box/rootfs/file`, "", { mode: 0o644 });
    const taken = await refusal(agent, { ...link, destination: "/file" });
    assert.ok(taken.includes("linking /file") && taken.includes("file exists"), taken);
  });

  it("has its relative destination resolved from the root", async () => {
    await using agent = await startAgent();
    assert.equal(await seen(agent, "stat -c %a /deep/er", tmpfs("deep//er/.", "mode=711")), "711");
  });

  it("gets attributes itself or with everything below it, as the option says", async () => {
    await using agent = await startAgent();
    await using _inner = await innerMount(agent);
    const mounts = [
      bind("/top", "rbind", "ro", "nosuid"),
      bind("/all", "rbind", "rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"),
      bind("/mixed", "rbind", "rro", "rw"),
      bind("/one", "bind"),
    ];
    const script = optionsOf("/top", "/top/inner", "/all", "/all/inner", "/mixed", "/mixed/inner", "/one/inner");
    assert.equal(
      await seen(agent, script, ...mounts),
      [
        "ro,nosuid,relatime",
        "rw,relatime",
        "ro,nosuid,nodev,noexec,noatime",
        "ro,nosuid,nodev,noexec,noatime",
        "rw,relatime",
        "ro,relatime",
      ].join("\n"),
    );
  });

  it("updates access times as the option says", async () => {
    await using agent = await startAgent();
    const words = ["noatime", "strictatime", "relatime", "nodiratime", "norelatime"];
    const mounts = words.map((word) => tmpfs(`/${word}`, word));
    assert.equal(
      await seen(agent, optionsOf(...words.map((word) => `/${word}`)), ...mounts),
      "rw,noatime\nrw\nrw,relatime\nrw,nodiratime,relatime\nrw",
    );
  });

  it("accepts every option, on new file systems, binds and remounts alike", async () => {
    await using agent = await startAgent();
    await os.files.makeDir(`${agent.shared}/volume`, 0o777);
    const words = supportedMountOptions().filter(
      (word) => !["bind", "rbind", "remount", "copy-symlink"].includes(word),
    );
    assert.ok(words.length > 50);
    const mounts = words.flatMap((word): Mount[] => [
      tmpfs(`/new/${word}`, word),
      bind(`/bind/${word}`, "rbind", word),
      tmpfs(`/again/${word}`),
      { destination: `/again/${word}`, options: ["remount", word] },
    ]);
    const count = 'for d in new bind again; do grep -c " /$d/" /proc/self/mountinfo; done';
    assert.equal(await seen(agent, count, ...mounts), `${words.length}\n${words.length}\n${words.length}`);
  });

  it("propagates mounts, recursively if requested, as the option says", async () => {
    await using agent = await startAgent();
    await using _inner = await innerMount(agent);
    const words = ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"];
    const mounts = words.map((word) => bind(`/${word}`, "rbind", word));
    const script = words
      .map((word) => `awk '$5 ~ "^/${word}(/inner)?$" {print $5, $7}' /proc/self/mountinfo | sed 's/:.*//'`)
      .join("; ");
    const lines = (await seen(agent, script, ...mounts)).split("\n");
    const of = (path: string) => lines.find((line) => line.startsWith(`${path} `))?.split(" ")[1];
    assert.deepEqual([of("/private"), of("/rprivate"), of("/rprivate/inner")], ["-", "-", "-"]);
    assert.deepEqual([of("/slave"), of("/rslave"), of("/rslave/inner")], ["master", "master", "master"]);
    assert.deepEqual([of("/shared"), of("/rshared"), of("/rshared/inner")], ["shared", "shared", "shared"]);
    assert.deepEqual([of("/unbindable"), of("/runbindable/inner")], ["unbindable", "unbindable"]);
    assert.ok(of("/private/inner") !== "-" && of("/unbindable/inner") !== "unbindable");
  });

  it("may be changed by a later one", async () => {
    await using agent = await startAgent();
    const remount = (destination: string, ...options: string[]): Mount => ({
      destination,
      options: ["remount", ...options],
    });
    const sized = [tmpfs("/data", "size=64k", "mode=711"), remount("/data", "size=128k", "nosuid")];
    const size = "df -k /data | awk 'NR == 2 {print $2}'; stat -c %a /data; ";
    assert.equal(await seen(agent, size + optionsOf("/data"), ...sized), "128\n711\nrw,nosuid,relatime");
    const unknown = remount("/data", "colour=red");
    assert.equal(
      await refusal(agent, tmpfs("/data"), unknown),
      "agent/failed: mounting /data: mount /data with colour=red (tmpfs: Unknown parameter 'colour'): invalid argument",
    );
    const mounts = [tmpfs("/data", "nosuid"), remount("/data", "ro", "nodev"), remount("/sys", "rw")];
    assert.equal(
      await seen(agent, optionsOf("/data", "/sys"), ...mounts),
      "ro,nosuid,nodev,relatime\nrw,nosuid,nodev,noexec,relatime",
    );
    assert.equal(
      await refusal(agent, remount("/tmp", "ro")),
      "agent/failed: mounting /tmp: remount /tmp: invalid argument",
    );
  });

  it("may overlay directories", async () => {
    await using agent = await startAgent();
    await output(os, `cd "$1"; mkdir lower upper work; echo below >lower/file; echo kept >lower/other`, {
      args: [agent.shared],
    });
    await os.mounts.mount({ source: "tmpfs", target: `${agent.shared}/upper`, type: "tmpfs", flags: [] });
    try {
      await output(os, `mkdir "$1/upper/u" "$1/upper/w"`, { args: [agent.shared] });
      const layers = [
        `lowerdir=${guestShared}/lower`,
        `upperdir=${guestShared}/upper/u`,
        `workdir=${guestShared}/upper/w`,
      ];
      const overlay = { destination: "/laid", type: "overlay", source: "overlay", options: [...layers, "nodev"] };
      assert.equal(await seen(agent, "cd /laid; echo above >file; cat file other", overlay), "above\nkept");
      assert.equal(await os.files.readText(`${agent.shared}/lower/file`), "below\n");
    } finally {
      await os.mounts.unmount(`${agent.shared}/upper`);
    }
  });
});

/** Mounts a file system on a directory of the volume until it is disposed of. */
async function innerMount(agent: TestAgent): Promise<AsyncDisposable> {
  const inner = `${agent.shared}/volume/inner`;
  await os.files.makeDirs(inner, 0o755);
  await os.mounts.mount({ source: "tmpfs", target: inner, type: "tmpfs", flags: [] });
  return { [Symbol.asyncDispose]: () => os.mounts.unmount(inner) };
}
