/**
 * The expected exceptions among crun's tests, each with its reason: tests that fail here or skip themselves, tests that
 * are not run, and tests that need a condition. docs/limitations.md summarises them.
 */

/** Why a test (`module/test`) does not pass, or is not run. */
export interface Expectation {
  readonly outcome: "fails" | "skips" | "left out";
  readonly reason: string;
}

type Reasons = Readonly<Record<string, readonly string[]>>;

const failing: Reasons = {
  "file descriptors of the host cannot be passed into a VM": [
    "test_preserve_fds/preserve-fds-some",
    "test_start/listen_pid_env",
  ],
  "passes but for its last step, which reads a file of crun's own state": ["test_start/start"],
  "a listener outside of the machine cannot be told of system calls": ["test_seccomp/seccomp-listener"],
  "compares with the very words of crun's features, its version among them": ["test_oci_features/crun-features"],
  "wants crun's exec, which drops the container's noNewPrivileges: here an exec keeps it, as under runc": [
    "test_exec/exec_add_no_new_privileges",
  ],
  "an annotation of crun's own, for the groups of a caller who is not root: only root runs machines": [
    "test_uid_gid/keep-groups",
  ],
  "has a number where process.args wants text: the specification's schema refuses it, and so does every create here": [
    "test_tty/test-detach-tty",
  ],
};

const skipping: Reasons = {
  "needs a crun with systemd": [
    "test_start/sd-notify",
    "test_start/sd-notify-env",
    "test_start/sd-notify-file",
    "test_start/sd-notify-proxy",
    "test_resources/resources-cpu-weight-systemd",
  ],
  "is about cgroup v1, which no container here sees": ["test_resources/resources-cpu-quota-minus-one"],
  "is about users other than root": ["test_start/run-rootless-netns-with-userns"],
  "needs four processors": ["test_exec/exec-cpu-affinity"],
  "looks for a cgroup of systemd's": ["test_update/test-update"],
};

const leftOut: Reasons = {
  "id-mapped mounts are refused, and its probe of the host may leave a process behind": [
    "test_mounts/mount-idmapped-mounts",
  ],
  "checkpoint and restore are not there": [
    "test_checkpoint_restore/checkpoint-restore",
    "test_checkpoint_restore/checkpoint-restore-ext-ns",
    "test_checkpoint_restore/checkpoint-restore-pre-dump",
  ],
};

export const expected: ReadonlyMap<string, Expectation> = new Map([
  ...entries("fails", failing),
  ...entries("skips", skipping),
  ...entries("left out", leftOut),
]);

/** These skip themselves without a terminal. */
export const onTerminal: ReadonlySet<string> = new Set([
  "test_exec/exec-getpgrp",
  "test_exec/exec-test-uid-tty",
  "test_tty/test-detach-tty",
  "test_tty/test-stderr-tty",
  "test_tty/test-stdin-tty",
  "test_tty/test-stdout-tty",
]);

function entries(outcome: Expectation["outcome"], reasons: Reasons): [string, Expectation][] {
  return Object.entries(reasons).flatMap(([reason, tests]) =>
    tests.map((test): [string, Expectation] => [test, { outcome, reason }]),
  );
}
