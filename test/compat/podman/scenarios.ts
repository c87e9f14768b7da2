/**
 * The effects of the flags of `podman run` inside the container, as data. Each run combines several flags, since it
 * costs the boot of a VM; each fact about it is a command with its expected output.
 */

export interface Fact {
  /** Run by the container's shell; stdout and stderr both count. */
  readonly command: string;
  readonly wanted: RegExp;
}

export interface Scenario {
  readonly title: string;
  /** `directory` is a directory of the test on the host, which contains `files`. */
  readonly flags: (directory: string) => readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, Fact>>;
}

export const scenarios: readonly Scenario[] = [
  {
    title: "limits: memory, swap, processor, pids, ulimit, shared memory, devices",
    flags: () => [
      ...["--memory", "64m", "--memory-swap", "96m", "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "99"],
      ...[
        "--ulimit",
        "nofile=99:100",
        "--shm-size",
        "3m",
        "--oom-score-adj",
        "100",
        "--device",
        "/dev/kmsg:/dev/log:w",
      ],
    ],
    facts: {
      memory: cgroup("memory.max", "memory/memory.limit_in_bytes", /^67108864$/),
      // Version 1 counts memory and swap together.
      swap: cgroup("memory.swap.max", "memory/memory.memsw.limit_in_bytes", /^(33554432|100663296)$/),
      cpus: cgroup("cpu.max", "cpu/cpu.cfs_quota_us", /^50000( 100000)?$/),
      shares: cgroup("cpu.weight", "cpu/cpu.shares", /^(20|512)$/),
      pids: cgroup("pids.max", "pids/pids.max", /^99$/),
      "open files": { command: "ulimit -Sn; ulimit -Hn", wanted: /^99\n100$/ },
      "shared memory": { command: "df -k /dev/shm | tail -1", wanted: /^shm +3072 / },
      "device for writing": { command: ": >/dev/log && echo open", wanted: /^open$/ },
      "and not for reading": { command: "cat /dev/log", wanted: /Operation not permitted/ },
      "oom score": { command: "cat /proc/self/oom_score_adj", wanted: /^100$/ },
    },
  },
  {
    title: "privileges: capabilities, no-new-privileges, seccomp by default, sysctl, names",
    flags: () => [
      ...["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "CHOWN"],
      ...["--security-opt", "no-new-privileges", "--sysctl", "kernel.msgmax=8193", "--sysctl", "net.ipv4.ip_forward=1"],
      ...["--hostname", "dojo", "--env", "A=b c", "--workdir", "/usr"],
    ],
    facts: {
      capabilities: { command: "grep -E 'Cap(Eff|Bnd)' /proc/self/status", wanted: /^(Cap...:\t0{13}401\n?){2}$/ },
      "what they forbid": { command: "chroot / true", wanted: /Operation not permitted/ },
      "no new privileges": { command: "grep NoNewPrivs /proc/self/status", wanted: /\t1$/ },
      seccomp: { command: "grep Seccomp: /proc/self/status", wanted: /\t2$/ },
      sysctl: { command: "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward", wanted: /^8193\n1$/ },
      hostname: { command: "hostname; cat /etc/hostname", wanted: /^dojo\ndojo$/ },
      environment: { command: "echo $A", wanted: /^b c$/ },
      workdir: { command: "pwd", wanted: /^\/usr$/ },
    },
  },
  {
    title: "files: volumes, tmpfs, a read-only root, devices, user, groups, umask",
    files: { in: "from the host\n" },
    flags: (directory) => [
      ...[
        "--read-only",
        "--volume",
        `${directory}:/rw`,
        "--volume",
        `${directory}:/ro:ro`,
        "--volume",
        "named:/named:nocopy",
      ],
      ...["--tmpfs", "/scratch:size=1m", "--mount", "type=tmpfs,destination=/other,tmpfs-size=2m"],
      ...["--device", "/dev/zero:/dev/mine", "--user", "1000:4", "--group-add", "5", "--umask", "0027"],
    ],
    facts: {
      user: { command: "id", wanted: /^uid=1000\(user\) gid=4(\(.*\))? groups=4(\(.*\))?,5(\(.*\))?$/ },
      umask: { command: "umask", wanted: /^0027$/ },
      "volume read": { command: "cat /rw/in /ro/in", wanted: /^from the host\nfrom the host$/ },
      "volume, read-only": { command: "echo x >/ro/no", wanted: /Read-only file system/ },
      "named volume": { command: "grep -c ' /named ' /proc/mounts", wanted: /^1$/ },
      root: { command: "echo x >/new", wanted: /Read-only file system/ },
      tmpfs: { command: "grep -E ' /(scratch|other) ' /proc/mounts | sort", wanted: /size=2048k.*\n.*size=1024k/ },
      device: { command: "head -c 3 /dev/mine | wc -c", wanted: /^3$/ },
      "other devices": { command: "ls /dev | grep -E 'sd|vd|vport|hvc|kvm|mem$'; echo none", wanted: /^none$/ },
    },
  },
  {
    title: "--init: its program is process 1 and reaps",
    flags: () => ["--init", "--init-path", "/usr/bin/tini-static"],
    facts: {
      init: { command: "tr '\\0' ' ' </proc/1/cmdline", wanted: /^\/run\/podman-init -- sh -c/ },
      zombies: { command: "(sleep 0.1 &); sleep 0.5; ps -o stat | grep -c ^Z", wanted: /^0$/ },
    },
  },
  {
    title: "--security-opt seccomp=FILE: the file's own errno",
    files: {
      "profile.json": JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86_64"],
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
      }),
    },
    flags: (directory) => ["--security-opt", `seccomp=${directory}/profile.json`],
    facts: {
      refused: { command: "mkdir /new", wanted: /Operation not supported/ },
      allowed: { command: "touch /file && ls /file", wanted: /^\/file$/ },
    },
  },
  {
    title: "--security-opt seccomp=unconfined, mask, unmask, and --systemd",
    flags: () => [
      "--systemd=always",
      ...["seccomp=unconfined", "mask=/etc/passwd:/proc/sys/kernel", "unmask=/proc/kcore"].flatMap((option) => [
        "--security-opt",
        option,
      ]),
    ],
    facts: {
      seccomp: { command: "grep Seccomp: /proc/self/status", wanted: /\t0$/ },
      "masked file": { command: "wc -c </etc/passwd", wanted: /^0$/ },
      "masked directory": { command: "ls /proc/sys/kernel | wc -l", wanted: /^0$/ },
      // A masked file is a null device.
      unmasked: { command: "test -f /proc/kcore && echo file", wanted: /^file$/ },
      // The container's own hierarchy, if the host has version 1.
      "cgroups for systemd": {
        command: "cd /sys/fs/cgroup; ! [ -d systemd ] || cd systemd; mkdir a.scope && rmdir a.scope && echo made",
        wanted: /^made$/,
      },
      "still masked": { command: "test -f /proc/keys || echo none", wanted: /^none$/ },
    },
  },
];

/** A file of the container's cgroup: version 2 in the VM, perhaps version 1 on a host. */
function cgroup(second: string, first: string, wanted: RegExp): Fact {
  return { command: `cd /sys/fs/cgroup; if [ -e ${second} ]; then cat ${second}; else cat ${first}; fi`, wanted };
}
