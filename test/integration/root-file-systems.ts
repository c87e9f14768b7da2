/** The kinds of root file systems, how a test selects each, and what each cannot do. */

export interface RootKind {
  /** Its name in docs/root-file-systems.md. */
  readonly name: string;
  readonly annotations?: Record<string, string>;
  /** Lines that the configuration has after `[runtime]`. */
  readonly toml: string;
  /** The root file system is a disk image instead of a directory. */
  readonly disk?: true;
  readonly hostSees: boolean;
  /** Results by the name of the check; those of the other checks are "yes". */
  readonly exceptions: Readonly<Record<string, string>>;
}

/** Names of the checks in `support/native/files.c`. */
export const checkNames: readonly string[] = [
  "fifo",
  "socket",
  "character device",
  "block device",
  "symbolic link",
  "hard link",
  "owner and mode",
  "setuid program",
  "user attribute",
  "file capability",
  "access list",
  "sparse file",
  "punched hole",
  "rename",
  "directory rename",
  "shared mapping",
  "flock",
  "record lock",
  "fsync",
  "unlinked file",
  "nameless file",
  "times",
  "names",
  "notification",
  "change of an old file",
  "hard link of old files",
  "rename of an old directory",
  "many files",
];

const by9p = '[hypervisor.qemu]\nshared_fs = "virtio-9p"\n';
const noNamelessFile = { "nameless file": "no, open: Operation not supported" };
/** The guest's kernel does not have it before Linux 6.6. */
const noUserAttribute = { "user attribute": "no, setxattr: Operation not supported" };
const noNode = "No such device or address";

export const kinds: readonly RootKind[] = [
  { name: "virtio-fs", toml: "", hostSees: true, exceptions: noNamelessFile },
  { name: "disk", toml: "", disk: true, hostSees: true, exceptions: {} },
  { name: "image", toml: 'rootfs_writes = "guest"\n', hostSees: false, exceptions: noNamelessFile },
  {
    name: "layers",
    annotations: { "io.kumite.rootfs": "layers" },
    toml: "",
    hostSees: false,
    exceptions: { ...noNamelessFile, ...noUserAttribute },
  },
  {
    name: "9p layers",
    annotations: { "io.kumite.rootfs": "layers" },
    toml: by9p,
    hostSees: false,
    exceptions: { ...noNamelessFile, ...noUserAttribute, "hard link of old files": "no, reads linked" },
  },
  {
    name: "9p",
    toml: by9p,
    hostSees: true,
    exceptions: {
      ...noNamelessFile,
      fifo: `no, mkfifo: ${noNode}`,
      socket: `no, bind: ${noNode}`,
      "character device": "no, mknod: Operation not permitted",
      "block device": "no, mknod: Operation not permitted",
      "file capability": "no, setxattr: Operation not supported",
      "access list": "no, setxattr: Operation not supported",
      "punched hole": "no, fallocate: Operation not supported",
      rename: "no, exchange: Invalid argument",
      "unlinked file": "no, change: No such file or directory",
      times: "no, 1500000000.000000000",
    },
  },
];
