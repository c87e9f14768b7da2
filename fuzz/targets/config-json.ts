/** config.json of a bundle, from its text to what the guest is sent and how the agent interprets that. */
import { specFields } from "../../src/agent-client/fields.ts";
import { readContainer } from "../../src/guest/spec/container.ts";
import { type Bundle, bundleOf } from "../../src/oci/bundle.ts";
import { defaultSpec } from "../../src/oci/default-spec.ts";
import { readDocument } from "../../src/oci/validate.ts";
import { guestSpecOf } from "../../src/sandbox/guest-spec.ts";
import { surroundingsOfFirst } from "../../src/sandbox/shared-namespaces.ts";
import type { FileStatus, Os } from "../../src/sys/os.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/util/text.ts";
import { mustBeRefusal, type Target } from "../target.ts";

export const configJson: Target = {
  name: "config-json",
  words: [
    '"process"',
    '"args"',
    '"mounts"',
    '"options"',
    '"linux"',
    '"namespaces"',
    '"resources"',
    '"seccomp"',
    '"hooks"',
    '"uidMappings"',
    '"devices"',
    '"rlimits"',
    '"sysctl"',
    '"capabilities"',
    '"timeOffsets"',
    '"scheduler"',
    "null",
    "true",
    "{}",
    "[]",
    "-1",
    "1e400",
    "18446744073709551615",
    '"\\ud800"',
    '"rbind"',
    '"SCMP_ACT_ERRNO"',
    '"__proto__"',
  ],
  seeds: () => [encodeUtf8(JSON.stringify(defaultSpec())), encodeUtf8(JSON.stringify(fullSpec()))],
  async run(input) {
    const os = fileSystemWith(decodeUtf8(input));
    try {
      const bundle: Bundle = await bundleOf(os, "/bundle", await readDocument(os, "/bundle/config.json", ""));
      const { spec } = guestSpecOf(
        bundle,
        "/rootfs",
        bundle.spec.mounts ?? [],
        { guestSeccomp: true },
        surroundingsOfFirst(bundle),
      );
      const { kumiteOciJson } = specFields(spec);
      readContainer(JSON.parse(kumiteOciJson), "web");
    } catch (error) {
      mustBeRefusal(error, "oci/spec-invalid", "oci/unsupported", "oci/bundle-invalid", "container/bad-id");
    }
  },
};

/** Every file has this text, and everything else is a directory. */
function fileSystemWith(text: string): Os {
  const status = { kind: "directory", mode: 0o755 } as FileStatus;
  const files = { readText: async () => text, realPath: async (path: string) => path, status: async () => status };
  return { files } as unknown as Os;
}

function fullSpec(): unknown {
  const spec = defaultSpec();
  return {
    ...spec,
    process: {
      ...spec.process,
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
      user: { uid: 1, gid: 2, umask: 18, additionalGids: [3] },
      scheduler: { policy: "SCHED_OTHER", nice: 1 },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
    },
    mounts: [
      ...(spec.mounts ?? []),
      { destination: "/data", type: "bind", source: "/srv", options: ["rbind", "ro", "nosuid", "rprivate"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=64k", "mode=1777", "tmpcopyup"] },
    ],
    linux: {
      ...spec.linux,
      sysctl: { "net.ipv4.ip_forward": "1", "kernel.shmmax": "100" },
      devices: [{ path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 438, uid: 0, gid: 0 }],
      resources: {
        devices: [
          { allow: false, access: "rwm" },
          { allow: true, type: "c", major: 1, minor: 3, access: "r" },
        ],
        memory: { limit: 1048576, swap: -1 },
        cpu: { shares: 10, quota: 1000, period: 10000, cpus: "0-1", mems: "0" },
        pids: { limit: 10 },
        blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] },
        hugepageLimits: [{ pageSize: "2MB", limit: 1 }],
        rdma: { mlx5: { hcaHandles: 1 } },
        unified: { "memory.high": "max" },
      },
      seccomp: {
        defaultAction: "SCMP_ACT_ERRNO",
        architectures: ["SCMP_ARCH_X86_64"],
        syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] }],
      },
      timeOffsets: { monotonic: { secs: 1, nanosecs: 2 } },
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
    },
    hooks: { startContainer: [{ path: "/hook", args: ["hook"], env: ["A=B"], timeout: 1 }] },
    annotations: { a: "b" },
  };
}
