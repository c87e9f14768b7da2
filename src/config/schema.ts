/**
 * What a configuration file may say: keys as Kata Containers names them, in one schema that types, checks and defaults
 * come from. Built on first use; knows nothing of files or of the host.
 */
import * as v from "valibot";

export const accelerators = ["auto", "kvm", "tcg"] as const;
export const hypervisors = ["qemu", "process"] as const;

const opt = v.exactOptional;

function absolutePath() {
  return v.pipe(
    v.string(),
    v.check((path) => path.startsWith("/") && !path.includes("\0"), "must be an absolute path"),
  );
}

function wholeNumber(min: number, max: number, unit: string) {
  return v.pipe(
    v.number(),
    v.check((n) => Number.isInteger(n) && n >= min && n <= max, `must be an integer from ${min} to ${max}${unit}`),
  );
}

function oneOf<const Options extends readonly string[]>(options: Options) {
  const names = options.map((option) => JSON.stringify(option)).join(", ");
  return v.picklist(options, `must be one of ${names}`);
}

export function configSchema() {
  return v.strictObject({
    hypervisor: opt(v.strictObject({ qemu: opt(qemuSchema()) })),
    agent: opt(v.strictObject({ kata: opt(agentSchema()) })),
    runtime: opt(runtimeSchema()),
  });
}

function qemuSchema() {
  return v.strictObject({
    /** Of the VMM. */
    path: opt(absolutePath()),
    /** Uncompressed ELF with a PVH entry. */
    kernel: opt(absolutePath()),
    initrd: opt(absolutePath()),
    machine_type: opt(oneOf(["q35"])),
    /** 0 or absent means 1; negative or more than the host has means all of the host. */
    default_vcpus: opt(wholeNumber(-1024, 1024, "")),
    /** MiB; less than 256 means 2048. */
    default_memory: opt(wholeNumber(0, 16 * 1024 * 1024, " (MiB)")),
    /** Separated by blanks, appended to the product's own. */
    kernel_params: opt(v.string()),
    virtio_fs_daemon: opt(absolutePath()),
    accelerator: opt(oneOf(accelerators)),
    /** The guest's console goes to the log, and its kernel says more. */
    enable_debug: opt(v.boolean()),
  });
}

function agentSchema() {
  return v.strictObject({
    /** Seconds until a guest that does not answer is given up; 0 or absent means 45. */
    dial_timeout: opt(wholeNumber(0, 3600, " (seconds)")),
    enable_debug: opt(v.boolean()),
  });
}

function runtimeSchema() {
  return v.strictObject({
    hypervisor: opt(oneOf(hypervisors)),
    /** Absent means false: the profiles of containers hold in the guest. */
    disable_guest_seccomp: opt(v.boolean()),
    enable_debug: opt(v.boolean()),
  });
}

/** A file's content, checked and otherwise as it was written. */
export type ConfigDocument = v.InferOutput<ReturnType<typeof configSchema>>;
