/**
 * Applies the annotations of a sandbox to its configuration. Whoever writes annotations may be less trusted than the
 * administrator, whose configuration says what annotations may change. Requests without effect are reported. They are
 * errors if the sandbox would be less safe than its author believes.
 */
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { nearest } from "../util/nearest.ts";
import { oneLine } from "../util/text.ts";
import { type AnnotationContext, checkedValue } from "./annotation-value.ts";
import { checkHashes, isHashName } from "./asset-hashes.ts";
import { chosenHypervisor, decide } from "./effective.ts";
import { isGlobbed } from "./globs.ts";
import type { KeySpec, KeyValue } from "./key.ts";
import { runtimeKeys } from "./keys/runtime.ts";
import { isPromise, whyNotHonoured } from "./not-honoured.ts";
import { type Origin, rank } from "./problem.ts";
import type { Settings } from "./settings.ts";
import { annotatedKeys, hypervisorKeys } from "./tables.ts";

export type Annotations = Readonly<Record<string, string>>;

/** A prefix, hence the dot at the end. */
export const configAnnotations = "io.katacontainers.";
const prefix = configAnnotations;
const hypervisorPrefix = `${prefix}config.hypervisor.`;
const configPath = `${prefix}config_path`;
/** Annotations that set nothing and are not reported: they are for others, or are handled elsewhere. */
const silent = [`${prefix}pkg.oci.`, `${prefix}asset_hash_type`, configPath];

/** These set no key of a file. Ignoring them would leave out a protection or a device that the author asks for. */
const refused: ReadonlyMap<string, string> = new Map([
  ["config.agent.policy", "this agent enforces no policy"],
  ["config.hypervisor.cc_init_data", "no driver supports confidential VMs"],
  ["config.hypervisor.default_gpus", "devices of the host cannot be attached to a VM yet"],
  ["config.hypervisor.default_gpu_model", "devices of the host cannot be attached to a VM yet"],
]);

/** Whether any annotation concerns `addAnnotations`. */
export function concernConfig(annotations: Annotations): boolean {
  return Object.keys(annotations).some((name) => name.startsWith(prefix) && !name.startsWith(`${prefix}pkg.oci.`));
}

/**
 * The file that an annotation names instead of the one in use; `undefined` if none does.
 * @throws KumiteError `config/invalid` if the file in use does not allow it
 */
export async function otherConfigFile(
  os: Os,
  annotations: Annotations,
  readSettings: () => Settings,
): Promise<string | undefined> {
  const path = annotations[configPath];
  if (path === undefined) return undefined;
  const allowed = readSettings().get("runtime", "valid_config_paths")?.value ?? runtimeKeys.valid_config_paths.default;
  if (await isGlobbed(os, allowed as readonly string[], path)) return await os.files.realPath(path);
  throw new KumiteError("config/invalid", `annotation ${configPath}: ${oneLine(path, 200)} is not allowed`, {
    phase: "config.load",
    hint: "it must be an existing file that matches a pattern of valid_config_paths in [runtime]",
    data: { key: configPath },
  });
}

/** Applies annotations on top of the settings. Refused annotations are reported. */
export async function addAnnotations(
  os: Os,
  settings: Settings,
  annotations: Annotations,
  context: AnnotationContext,
): Promise<void> {
  if (!concernConfig(annotations)) return;
  const chosen = chosenHypervisor(settings, decide("runtime", runtimeKeys, settings).hypervisor, () => {});
  const reader = new AnnotationReader(os, settings, `hypervisor.${chosen === "process" ? "qemu" : chosen}`, context);
  for (const [name, value] of Object.entries(annotations)) {
    if (name.startsWith(prefix)) await reader.read(name, value);
  }
  await checkHashes(os, settings, reader.table, annotations, context);
}

class AnnotationReader {
  /** The hypervisor's table. */
  readonly table: string;
  readonly #os: Os;
  readonly #settings: Settings;
  readonly #context: AnnotationContext;
  readonly #enabled: readonly RegExp[];

  constructor(os: Os, settings: Settings, table: string, context: AnnotationContext) {
    this.#os = os;
    this.#settings = settings;
    this.table = table;
    this.#context = context;
    const patterns = this.#list("enable_annotations");
    this.#enabled = patterns.flatMap((pattern) => wholeName(pattern));
  }

  async read(name: string, text: string): Promise<void> {
    if (name.startsWith(hypervisorPrefix) && !this.#isEnabled(name.slice(hypervisorPrefix.length))) {
      const hint = `an administrator can allow it in enable_annotations of [${this.table}]`;
      return this.#fails(name, "is not enabled", hint);
    }
    const short = name.slice(prefix.length);
    const target = targetOf(short, this.table);
    if (target !== undefined) return await this.#apply(name, text, target);
    if (isHashName(short) || silent.some((start) => name.startsWith(start))) return;
    const vain = refused.get(short);
    if (vain !== undefined) return this.#fails(name, `has no effect here: ${vain}`, "remove it");
    if (short.startsWith("config.")) return this.#fails(name, "is not a known annotation", meant(short));
    this.#context.report({ severity: "notice", origin: originOf(name), reason: "it has no effect" });
  }

  async #apply(name: string, text: string, { table, key, spec }: Target): Promise<void> {
    const value = checkedValue(table, key, spec, text, this.#context);
    if (typeof value === "object" && "fault" in value)
      return this.#fails(name, value.fault, "correct it, or remove it");
    if (spec.kind === "text" && spec.allowedBy !== undefined && value !== "") {
      const allowed = await isGlobbed(this.#os, this.#list(spec.allowedBy), text);
      if (!allowed) {
        const hint = `it must be an existing file that matches a pattern of ${spec.allowedBy} in [${table}]`;
        return this.#fails(name, `${oneLine(text, 200)} is not allowed`, hint);
      }
    }
    const why = whyNotHonoured(table, key);
    const before = this.#settings.get(table, key)?.value ?? spec.default;
    if (JSON.stringify(before) === JSON.stringify(value)) return;
    if (why !== undefined) {
      const reason = `has no effect here: ${why}`;
      if (isPromise(key)) return this.#fails(name, reason, "remove it");
      return this.#context.report({ severity: "notice", origin: originOf(name), key: oneLine(name, 200), reason });
    }
    const origin = originOf(name);
    this.#settings.set(table, key, { value: merged(key, before, value), origin: () => origin });
    // A VM has either an image or an initrd. An annotation for one removes the file's value for the other.
    const other = key === "image" ? "initrd" : key === "initrd" ? "image" : undefined;
    if (other !== undefined && this.#settings.origin(table, other).kind !== "annotation") {
      this.#settings.set(table, other, { value: "", origin: () => origin });
    }
  }

  #isEnabled(name: string): boolean {
    return name.length <= 256 && this.#enabled.some((pattern) => pattern.test(name));
  }

  #list(key: string): readonly string[] {
    const spec: KeySpec | undefined = hypervisorKeys()[key as "enable_annotations"];
    const value = this.#settings.get(this.table, key)?.value ?? spec?.default;
    return Array.isArray(value) ? (value as string[]) : [];
  }

  #fails(name: string, fault: string, hint: string | undefined): void {
    const reason = fault === "is not enabled" ? `annotation ${oneLine(name, 200)} is not enabled` : fault;
    this.#context.report({
      severity: "error",
      origin: originOf(name),
      key: oneLine(name, 200),
      reason,
      rank: rank.decoding,
      ...(hint !== undefined && { hint }),
    });
  }
}

interface Target {
  readonly table: string;
  readonly key: string;
  readonly spec: KeySpec;
}

let targets: ReadonlyMap<string, Target> | undefined;

/** `name` without the prefix. */
function targetOf(name: string, hypervisorTable: string): Target | undefined {
  targets ??= new Map(
    annotatedKeys().flatMap(([table, keys]) =>
      Object.entries(keys).flatMap(([key, spec]): [string, Target][] =>
        spec.annotation === undefined ? [] : [[spec.annotation, { table, key, spec }]],
      ),
    ),
  );
  const found = targets.get(name);
  return found?.table === "hypervisor" ? { ...found, table: hypervisorTable } : found;
}

function meant(name: string): string | undefined {
  const close = name.length > 80 ? undefined : nearest(name, [...(targets?.keys() ?? [])]);
  return close === undefined ? "remove it" : `did you mean ${prefix}${close}?`;
}

/** The user's kernel parameters follow the administrator's, so the user's take effect. */
function merged(key: string, before: KeyValue, value: KeyValue): KeyValue {
  return key === "kernel_params" && before !== "" ? `${before} ${value}` : value;
}

/** A pattern must match the whole name. Otherwise `path` would also enable `jailer_path`. */
function wholeName(pattern: string): RegExp[] {
  try {
    return [new RegExp(`^(?:${pattern})$`)];
  } catch {
    // Invalid patterns are reported by the checks.
    return [];
  }
}

function originOf(name: string): Origin {
  return { kind: "annotation", name };
}
