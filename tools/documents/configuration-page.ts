/** Makes docs/configuration.md from the schema of the configuration. */
import { defaultOf } from "../../src/config/default-file.ts";
import { defaultConfigPaths } from "../../src/config/find.ts";
import { hypervisorTables, type KeySpec } from "../../src/config/key.ts";
import { whyNotHonoured } from "../../src/config/not-honoured.ts";
import { tomlValue } from "../../src/config/shown.ts";
import { keysOf } from "../../src/config/tables.ts";

/** Verified by src/config/factory-conflicts.test.ts. */
const factoryConflicts = `\
Which of these keys exclude each other depends on \`config_era\`. A conflict is an error: nothing starts. \`"auto"\` conflicts with nothing.

| together | in the eras | of Kata's releases |
| --- | --- | --- |
| \`enable_template = true\` and \`vm_cache_number\` | 1.6 | 1.6 |
| \`enable_template = true\` without \`initrd\` | 1.4, 1.6 | to 3.31 |
| \`enable_template = true\` and \`use_vsock\`, where the host has vsock | 1.4, 1.6 | to 1.7 |
| \`vm_cache_number\` and another hypervisor than QEMU | 1.4, 1.6, 3.x | all |
| \`vm_cache_number\` and another agent than \`[agent.kata]\` | 1.4, 1.6 | 1.x |
| \`vm_cache_number\` and \`use_vsock\`, where the host has vsock | 1.6 | 1.6 |

Kata refuses templates with \`shared_fs = "virtio-fs"\` when it creates the VM. In Kumite a clone gets its files in other ways, whatever
\`shared_fs\` says; [factory](factory.md) lists what excludes templates (\`file_mem_backend\` and others).`;

const sections: readonly (readonly [table: string, heading: string, about: string])[] = [
  [
    "hypervisor.qemu",
    "`[hypervisor.qemu]`, `[hypervisor.firecracker]`, `[hypervisor.clh]`",
    "A file has one of these tables; every key is accepted in each. The column *of* says in which of them Kata's own files have it: q, f, c.",
  ],
  ["agent.kata", "`[agent.kata]`", "Or `[agent.hyperstart]`, which has the same keys here."],
  ["runtime", "`[runtime]`", ""],
  ["factory", "`[factory]`", factoryConflicts],
  ["proxy.kata", "`[proxy.kata]`", "Of releases before 2.0, like the next two."],
  ["shim.kata", "`[shim.kata]`", ""],
  ["netmon", "`[netmon]`", ""],
  ["image", "`[image]`", "Of releases 2.2 to 3.3."],
];

export function configurationPage(): string {
  return [
    "<!-- Made by `npm run generate` from src/config/keys: change them there. -->",
    "# Configuration",
    introduction,
    ...sections.flatMap(([table, heading, about]) => [
      `## ${heading}`,
      ...(about === "" ? [] : [about]),
      keyTable(table),
    ]),
  ]
    .join("\n\n")
    .concat("\n");
}

const introduction = `\
Kumite needs no configuration file. It reads unmodified files of Kata Containers, of every release from 1.0 to 4.1.
\`kumite config default\` prints an example file with every key and its meaning, \`kumite config show --origin\` the values in effect
and where each comes from, \`kumite config check FILE\` all problems of a file.

**Location**: the file given by \`--config\` (or \`--kata-config\`), otherwise by the environment variable \`KATA_CONF_FILE\`,
otherwise the first existing one of

${defaultConfigPaths.map((path) => `    ${path}`).join("\n")}

A file that exists but cannot be used is an error. If there is none, the defaults apply. A file may have at most 96 KiB.

**Precedence**: of the following, later ones override earlier ones, key by key; a list is replaced as a whole:

1. the defaults below;
2. the file;
3. its drop-ins: every file in the directory \`config.d\` next to it, in the order of their names;
4. annotations in the sandbox's \`config.json\`, where they are allowed;
5. \`--set TABLE.KEY=VALUE\` before the verb, for one call: \`kumite --set factory.enable_template=true run …\`. A list is
   written as in TOML, or separated by commas.

**Unknown keys** are ignored with a line in the log that names file, line and the most similar key; \`config check\` reports them as
errors. In a drop-in, unknown keys of hypervisors and agents are errors. **Keys without effect** are known but ignored; a
value other than the default is reported. **Wrong values** are errors: nothing starts.

**Paths** must exist; symbolic links are resolved. An empty string is the same as no key.

**Annotations** have the prefix \`io.katacontainers.\`. The name of one for a hypervisor key must match a pattern of
\`enable_annotations\` completely; a path must also match a glob of the corresponding \`valid_…\` list. \`kernel\`, \`image\`, \`initrd\`,
\`path\`, \`jailer_path\`, \`firmware\` and \`firmware_volume\` may be accompanied by the file's SHA-512: \`kernel_hash\`, \`image_hash\`,
\`initrd_hash\`, \`hypervisor_hash\`, \`jailer_hash\`, \`firmware_hash\`, \`firmware_volume_hash\`. An annotation that asks for something
Kumite cannot do is an error.

**\`config_era\`** selects the rules of old releases: \`1.0\`, \`1.4\` and \`1.6\` require whole numbers for \`default_vcpus\`, allow
memory from 8 MiB, require \`initrd\` or \`image\` in a hypervisor table, and have older exclusions (see \`[factory]\`).

In the tables, *since* is the release of Kata Containers that introduced a key, or \`ours\` for keys of Kumite.`;

function keyTable(table: string): string {
  const hypervisor = table.startsWith("hypervisor.");
  const head = hypervisor
    ? ["key", "of", "default", "annotation", "since", "meaning"]
    : ["key", "default", "annotation", "since", "meaning"];
  const rows = Object.entries(keysOf(table) ?? {}).map(([key, spec]) => {
    const cells = [
      `\`${key}\``,
      defaultText(table, spec),
      annotationText(key, spec),
      sinceText(spec),
      meaning(table, key, spec),
    ];
    return hypervisor ? [...cells.slice(0, 1), ofText(spec), ...cells.slice(1)] : cells;
  });
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return lines.join("\n");
}

function ofText({ of }: KeySpec): string {
  return hypervisorTables
    .filter((name) => of === undefined || of.includes(name))
    .map((name) => name.charAt(0))
    .join(" ");
}

function defaultText(table: string, spec: KeySpec): string {
  const value = defaultOf(table, spec);
  if (spec.kind === "text" && spec.defaultText !== undefined) return spec.defaultText;
  if (value === "") return "";
  const others = spec.kind === "text" ? Object.entries(spec.defaults ?? {}).filter(([name]) => name !== "qemu") : [];
  const ofOthers = others.map(([name, text]) => `, ${name}: \`${text}\``).join("");
  return `\`${typeof value === "string" ? value : tomlValue(value)}\`${ofOthers}`;
}

function annotationText(key: string, { annotation }: KeySpec): string {
  if (annotation === undefined) return "";
  return annotation.endsWith(`.${key}`) ? "yes" : `\`${annotation}\``;
}

function sinceText({ since, until }: KeySpec): string {
  return until === undefined ? since : `${since} to ${until}`;
}

function meaning(table: string, key: string, spec: KeySpec): string {
  const unit = "unit" in spec && spec.unit !== undefined ? ` In ${spec.unit}.` : "";
  const choices = spec.kind === "text" ? (spec.choices ?? []).filter((choice) => choice !== "") : [];
  const one = choices.length === 0 ? "" : ` One of ${choices.map((choice) => `\`${choice}\``).join(", ")}.`;
  const without = whyNotHonoured(table, key);
  const none = without === undefined ? "" : ` *Without effect: ${without}.*`;
  return `${spec.doc}${unit}${one}${none}`.replaceAll("|", "\\|");
}
