/** Checks of what a child is confined to: cgroups, namespaces, privileges, its user, and the files it sees. */
import { ownUserOf } from "../../util/own-user.ts";
import { encodeUtf8 } from "../../util/text.ts";
import type { Os, TreeEntry } from "../os.ts";
import type { ContractCheck } from "../os-contract.ts";
import { output, printing, scratch, shell, textOf } from "./scratch.ts";

const sigkill = 9;

/** A new cgroup of whatever version the host has, below the hierarchy's mount point. */
async function makeCgroup(os: Os): Promise<{ readonly path: string } & AsyncDisposable> {
  const mounts = (await os.mounts.table()).filter(({ type }) => type === "cgroup2" || type === "cgroup");
  const root = mounts.find(({ options, type }) => type === "cgroup2" || options.includes("pids"));
  if (root === undefined) throw new Error("no cgroup hierarchy is mounted");
  const path = `${root.target}/kumite-contract-${os.self.pid}`;
  await os.files.makeDir(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => os.files.removeDir(path) };
}

/** The files that a shell needs. */
async function programs(os: Os): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [{ kind: "directory", path: "/usr", readOnly: true }];
  for (const path of ["/bin", "/lib", "/lib64"]) {
    const kind = (await os.files.linkStatus(path))?.kind;
    if (kind === "symlink") entries.push({ kind: "link", path, target: await os.files.readLink(path) });
    else if (kind === "directory") entries.push({ kind, path, readOnly: true });
  }
  return entries;
}

export const confinedSpawnContract: readonly ContractCheck[] = [
  {
    name: "a child is born in its cgroups",
    async run(os, assert) {
      await using group = await makeCgroup(os);
      const name = group.path.slice(group.path.lastIndexOf("/"));
      const line = await output(os, 'grep -c "$1" /proc/self/cgroup', { args: [name], cgroups: [group.path] });
      assert.equal(line, "1");
    },
  },
  {
    name: "a child whose program is told later is in its cgroups by then, and ends if there is none",
    async run(os, assert) {
      await using group = await makeCgroup(os);
      const birth = { cgroups: [group.path], descriptors: { 1: { kind: "stream" } } } as const;
      const name = group.path.slice(group.path.lastIndexOf("/") + 1);
      const program = { path: "/bin/grep", argv: ["grep", "-c", name, "/proc/self/cgroup"], env: {} };
      const child = await os.processes.spawnLater(birth, Promise.resolve(program));
      assert.equal(Number(await textOf(child.streams.get(1))) > 0, true);
      assert.deepEqual(await child.exited, { kind: "exited", status: 0 });
      // A cgroup with a process in it could not be removed.
      const none = Promise.reject(new Error("there is no program"));
      await assert.rejects(os.processes.spawnLater(birth, none), { message: "there is no program" });
      await assert.rejects(os.processes.spawnLater({ ...birth, cgroups: ["/nowhere"] }, Promise.resolve(program)), {
        errno: "ENOENT",
        subject: "/nowhere/cgroup.procs",
      });
    },
  },
  {
    name: "a child can have a network namespace of its own or an existing one",
    async run(os, assert) {
      const own = await os.files.readLink("/proc/self/ns/net");
      const script = "readlink /proc/self/ns/net; exec sleep 1000";
      const child = await shell(os, script, { networkNamespace: "new", descriptors: printing });
      const fresh = new TextDecoder().decode(await child.streams.get(1)?.read()).trim();
      assert.ok(/^net:\[\d+\]$/.test(fresh) && fresh !== own, fresh);
      const path = `/proc/${child.pid}/ns/net`;
      assert.equal(await output(os, "readlink /proc/self/ns/net", { networkNamespace: { path } }), fresh);
      child.kill(sigkill);
      await child.exited;
      child.streams.get(1)?.close();
    },
  },
  {
    name: "a child can lead a session, and can be denied new privileges and huge pages",
    async run(os, assert) {
      const session = await shell(os, "cut -d' ' -f6 /proc/$$/stat", { newSession: true, descriptors: printing });
      assert.equal((await textOf(session.streams.get(1))).trim(), String(session.pid));
      await session.exited;
      const status = "grep NoNewPrivs /proc/$$/status";
      assert.equal(await output(os, status, { noNewPrivileges: true }), "NoNewPrivs:\t1");
      assert.equal(await output(os, status), "NoNewPrivs:\t0");
      const hugePages = "grep THP_enabled /proc/$$/status";
      assert.equal(await output(os, hugePages, { smallPages: true }), "THP_enabled:\t0");
    },
  },
  {
    name: "a child can be without any capability, permanently",
    async run(os, assert) {
      const status = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | sort -u";
      assert.equal(await output(os, status, { capabilities: [] }), "0000000000000000");
      const mount = "mount -t tmpfs none /mnt 2>/dev/null || echo refused";
      assert.equal(await output(os, mount, { capabilities: [], noNewPrivileges: true }), "refused");
    },
  },
  {
    name: "a child can run as a user of its own, with access only to what it was given",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/secret`;
      await os.files.write(path, "of root", { mode: 0o600 });
      const script = `grep -E '^(Uid|Gid|Groups|CapPrm|CapEff):' /proc/$$/status; echo $$
        cat "$1" 2>/dev/null || echo refused; kill -0 1 2>/dev/null || echo powerless; cat <&5; pwd`;
      const printed = await output(os, script, {
        args: [path],
        ownUser: { group: 0 },
        capabilities: [],
        cwd: dir.path,
        descriptors: { 5: { kind: "read", path } },
        parentDeathSignal: sigkill,
      });
      const lines = printed.split("\n");
      const id = ownUserOf(Number(lines[5]));
      assert.deepEqual(lines.slice(0, 5), [
        `Uid:\t${id}\t${id}\t${id}\t${id}`,
        `Gid:\t${id}\t${id}\t${id}\t${id}`,
        "Groups:\t ",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
      ]);
      assert.deepEqual(lines.slice(6), ["refused", "powerless", `of root${dir.path}`]);
      const groups = await output(os, "grep ^Groups: /proc/$$/status", { ownUser: { group: 4711 } });
      assert.equal(groups.trim(), "Groups:\t4711");
    },
  },
  {
    name: "such a user can have some capabilities, and no others",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/secret`;
      await os.files.write(path, "of root", { mode: 0o600 });
      const script = `grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | cut -f2 | sort -u; cat "$1"
        chown 1 "$1" 2>/dev/null || echo; echo kept`;
      const options = { args: [path], ownUser: { group: 0 }, noNewPrivileges: true, parentDeathSignal: sigkill };
      const [override, chown] = [1, 0];
      assert.equal(
        await output(os, script, { ...options, capabilities: [override] }),
        "0000000000000002\nof root\nkept",
      );
      await output(os, script, { ...options, capabilities: [override, chown] });
      assert.equal((await os.files.status(path))?.uid, 1);
    },
  },
  {
    name: "a child can see selected paths only, including later mounts there",
    async run(os, assert) {
      await using dir = await scratch(os);
      const place = (name: string): string => `${dir.path}/${name}`;
      const [over, given, kept, more] = [place("over"), place("given"), place("kept"), place("more")];
      for (const directory of [over, given, kept, more]) await os.files.makeDir(directory, 0o755);
      await os.files.write(`${kept}/file`, "kept\n");
      await os.files.write(`${more}/late`, "");
      await os.mounts.mount({ source: given, target: given, flags: ["bind"] });
      await os.mounts.mount({ target: given, flags: ["shared"] });
      await os.files.makeDir(`${given}/below`, 0o755);
      try {
        const entries: TreeEntry[] = [
          ...(await programs(os)),
          { kind: "proc", path: "/proc" },
          { kind: "file", path: "/etc/hostname", readOnly: true },
          { kind: "directory", path: given, readOnly: false },
          { kind: "directory", path: kept, readOnly: true },
        ];
        const script = `echo $(ls -A / | grep -v -e bin -e lib); echo $(ls /etc); echo $(ls -A "$1/..")
          ls /proc | grep -q sys || echo own; cat "$2/file"; pwd
          (echo >"$2/file") 2>&- || echo refused; (echo >/new) 2>&- || echo refused
          echo written >"$1/file"; echo >&5; read line <&5; ls "$1/below"`;
        const child = await shell(os, script, {
          args: [given, kept],
          descriptors: { ...printing, 5: { kind: "stream" } },
          ownUser: { group: 0 },
          capabilities: [1],
          tree: { over, entries },
          cwd: "/usr",
        });
        const talk = child.streams.get(5);
        await talk?.read();
        await os.mounts.mount({ source: more, target: `${given}/below`, flags: ["bind"] });
        await talk?.write(encodeUtf8("\n"));
        const printed = (await textOf(child.streams.get(1))).trim().split("\n");
        await child.exited;
        talk?.close();
        const tops = [...new Set(["etc", "proc", dir.path.split("/")[1], "usr"])].sort().join(" ");
        assert.deepEqual(printed, [
          tops,
          "hostname",
          "given kept",
          "own",
          "kept",
          "/usr",
          "refused",
          "refused",
          "late",
        ]);
        assert.equal(await os.files.readText(`${given}/file`), "written\n");
        assert.deepEqual(await os.files.list(over), []);
      } finally {
        for (const target of [`${given}/below`, given]) await os.mounts.unmount(target, { lazy: true });
      }
    },
  },
];
