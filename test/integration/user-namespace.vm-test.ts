/** A container with mapped users, as engines ask for it, with a root file system that belongs to those. */
import assert from "node:assert/strict";
import { chmod, chown, mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { isKumite, Workplace } from "../support/workplace.ts";

const first = 100_000;
const mappings = [{ containerID: 0, hostID: first, size: 65_536 }];

const script = `id -u > /report
tr -s ' ' < /proc/self/uid_map >> /report
stat -c '%u' /dev/null /report >> /report
su user -c 'touch /volume/users && id -u' >> /report
chown 33 /volume/users
mkdir /home/user/of-root && stat -c '%u' /home/user/of-root >> /report
echo 4096 > /proc/sys/kernel/msgmni 2>/dev/null || echo not allowed >> /report
while :; do sleep 1; done`;

describe("a container in a user namespace", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("users");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("is root inside, and what it writes belongs to others on the host", async () => {
    const volume = place.path("volume");
    await mkdir(volume);
    await chmod(volume, 0o777);
    await chown(volume, first, first);
    const bundle = await place.bundle(shell(script), (config) => {
      config.linux.namespaces = ["pid", "ipc", "uts", "mount", "network", "user"].map((type) => ({ type }));
      config.linux.uidMappings = mappings;
      config.linux.gidMappings = mappings;
      config.mounts.push({ destination: "/volume", type: "bind", source: volume, options: ["rbind", "rw"] });
      if (isKumite) config.mounts.push({ destination: "/cg", type: "cgroup", source: "cgroup", options: ["rw"] });
      const needed = ["CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"];
      config.process.capabilities = {
        bounding: needed,
        effective: needed,
        permitted: needed,
        inheritable: [],
        ambient: [],
      };
    });
    await succeed(["chown", "-R", `${first}:${first}`, bundle.rootfs]);
    await chown(path.join(bundle.rootfs, "home/user"), first + 1000, first + 1000);
    const id = await place.runDetached(bundle);
    const wait = "until grep -q allowed /report; do :; done; cat /report; id -u; readlink /proc/self/ns/user";
    const { stdout } = await place.must(["exec", id, "sh", "-c", wait]);
    const [lines, namespace = ""] = [stdout.trim().split("\n").slice(0, -1), stdout.trim().split("\n").at(-1)];
    assert.deepEqual(lines, ["0", ` 0 ${first} 65536`, "0", "0", "1000", "0", "not allowed", "0"]);
    const asUser = await place.runtime(["exec", "--user", "1000", id, "readlink", "/proc/self/ns/user"]);
    assert.equal(asUser.stdout.trim(), namespace, show(asUser));
    const unknown = await place.runtime(["exec", "--user", "70000", id, "true"]);
    assert.match(unknown.stderr, /process\.user\.uid is not mapped/);
    if (isKumite) {
      const divide =
        "cd /cg; mkdir below && echo $$ >below/cgroup.procs && grep ^0: /proc/self/cgroup; stat -c %u . pids.max; echo 5 >pids.max";
      const divided = await place.runtime(["exec", id, "sh", "-c", divide]);
      assert.match(divided.stdout, /^0::\/below\n0\n65534\n$/, show(divided));
      assert.match(divided.stderr, /Permission denied/);
    }
    await place.must(["delete", "--force", id]);
    assert.equal((await stat(path.join(volume, "users"))).uid, first + 33);
    assert.equal((await stat(path.join(bundle.rootfs, "report"))).uid, first);
    assert.ok((await readdir(bundle.rootfs)).includes("volume"));
    assert.equal((await stat(path.join(bundle.rootfs, "volume"))).uid, first, "mount points that were missing too");
  });
});
