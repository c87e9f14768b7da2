/**
 * Generates a file with every key, its meaning and its default, from the schema. Loading it gives the defaults. Pure.
 */
import type { KeySpec } from "./key.ts";
import { whyNotHonoured } from "./not-honoured.ts";
import { belongsTo, tomlValue } from "./shown.ts";
import { keysOf } from "./tables.ts";

const tables = ["hypervisor.qemu", "agent.kata", "runtime", "factory"];
const width = 118;

export function defaultFile(): string {
  const head = comment(
    "The configuration of Kumite. Every value here is the default; a line that is left out, or is a comment, means the " +
      "default too. `kumite config check FILE` tells what is wrong with a file, `kumite config show --origin` what is used.",
  );
  return [head, ...tables.map(tableText)].join("\n");
}

function tableText(table: string): string {
  const keys = Object.entries(keysOf(table) ?? {}).filter(([key]) => belongsTo(table, key));
  return `[${table}]\n${keys.map(([key, spec]) => keyText(table, key, spec)).join("")}`;
}

function keyText(table: string, key: string, spec: KeySpec): string {
  const without = whyNotHonoured(table, key);
  const value = defaultOf(table, spec);
  // Values that depend on the host, or paths that must exist, are commented out.
  const silent = without !== undefined || value === "" || (spec.kind === "text" && spec.path === "resolved");
  const said = without === undefined ? "" : ` Without effect here: ${without}.`;
  const choices = spec.kind === "text" ? choicesText(spec.choices) : "";
  const unit = "unit" in spec && spec.unit !== undefined ? ` In ${spec.unit}.` : "";
  const text = `${spec.doc}${unit}${choices}${said}`;
  return `\n${comment(text)}${silent ? "# " : ""}${key} = ${tomlValue(value)}\n`;
}

/** The key's default in this table. */
export function defaultOf(table: string, spec: KeySpec) {
  if (spec.kind !== "text") return spec.default;
  const own = Object.entries(spec.defaults ?? {}).find(([name]) => table === `hypervisor.${name}`);
  return own?.[1] ?? spec.default;
}

function choicesText(choices: readonly string[] = []): string {
  const names = choices.filter((choice) => choice !== "");
  return names.length === 0 ? "" : ` One of ${names.join(", ")}.`;
}

function comment(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width - 2) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `# ${line}\n`).join("");
}
