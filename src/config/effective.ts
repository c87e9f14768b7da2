/**
 * Decides every key: the value that was set, otherwise its default, brought into its limits. Keeps the names and units
 * of files, which is what `kumite config show` prints. Pure.
 */
import { clampHypervisor } from "./clamps.ts";
import type { ConfigSurroundings, HypervisorName } from "./config.ts";
import {
  type ConfigEra,
  type Effective,
  type HypervisorTable,
  hypervisorTables,
  type KeyTable,
  type KeyValue,
} from "./key.ts";
import { agentKeys } from "./keys/agent.ts";
import { factoryKeys } from "./keys/factory.ts";
import { netmonKeys, proxyKeys, shimKeys } from "./keys/older.ts";
import { runtimeKeys } from "./keys/runtime.ts";
import { type Report, rank } from "./problem.ts";
import type { Settings } from "./settings.ts";
import { type HypervisorKeys, hypervisorKeys, kindsOf } from "./tables.ts";

export type EffectiveHypervisor = Effective<HypervisorKeys>;

export interface EffectiveConfig {
  readonly era: ConfigEra;
  readonly hypervisor: HypervisorName;
  /** The table of the chosen hypervisor. */
  readonly chosen: HypervisorTable;
  readonly hypervisors: Readonly<Record<HypervisorTable, EffectiveHypervisor>>;
  readonly agentTable: string;
  readonly agent: Effective<typeof agentKeys>;
  readonly runtime: Effective<typeof runtimeKeys>;
  readonly factory: Effective<typeof factoryKeys>;
  readonly proxyTable: string;
  readonly proxy: Effective<typeof proxyKeys>;
  readonly shimTable: string;
  readonly shim: Effective<typeof shimKeys>;
  readonly netmon: Effective<typeof netmonKeys>;
}

export function effectiveConfig(settings: Settings, surroundings: ConfigSurroundings, report: Report): EffectiveConfig {
  const runtime = decide("runtime", runtimeKeys, settings);
  const era = eraNamed(runtime.config_era);
  const hypervisor = chosenHypervisor(settings, runtime.hypervisor, report);
  const chosen = hypervisor === "process" ? "qemu" : hypervisor;
  const agentTable = presentTable(settings, "agent");
  const proxyTable = presentTable(settings, "proxy");
  const shimTable = presentTable(settings, "shim");
  const ofHypervisor = (table: HypervisorTable) =>
    clampHypervisor(decideHypervisor(table, settings, surroundings), {
      table,
      era,
      settings,
      surroundings,
      report: table === chosen ? report : () => {},
    });
  return {
    era,
    hypervisor,
    chosen,
    hypervisors: decidedWhenAsked(ofHypervisor),
    agentTable,
    // Annotations and the command line use `agent.kata`, whatever agent table the file has.
    agent: clampAgent({ ...decide(agentTable, agentKeys, settings), ...settings.given("agent.kata", agentKeys) }),
    runtime: {
      ...runtime,
      hypervisor,
      create_container_timeout: runtime.create_container_timeout || 60,
      disable_guest_empty_dir:
        runtime.disable_guest_empty_dir && (era === "3.x" || settings.has("runtime", "disable_guest_empty_dir")),
    },
    factory: decide("factory", factoryKeys, settings),
    proxyTable,
    proxy: decide(proxyTable, proxyKeys, settings),
    shimTable,
    shim: decide(shimTable, shimKeys, settings),
    netmon: decide("netmon", netmonKeys, settings),
  };
}

/** Decides a hypervisor's table on first access, since usually only one is needed. */
function decidedWhenAsked(
  ofHypervisor: (table: HypervisorTable) => EffectiveHypervisor,
): Readonly<Record<HypervisorTable, EffectiveHypervisor>> {
  const decided = new Map<HypervisorTable, EffectiveHypervisor>();
  const get = (table: HypervisorTable) => (): EffectiveHypervisor => {
    const values = decided.get(table) ?? ofHypervisor(table);
    decided.set(table, values);
    return values;
  };
  const getters = hypervisorTables.map((table) => [table, { get: get(table), enumerable: true }]);
  return Object.defineProperties({}, Object.fromEntries(getters)) as Record<HypervisorTable, EffectiveHypervisor>;
}

/** The era with this name; the default for anything else. */
export function eraNamed(value: unknown): ConfigEra {
  return runtimeKeys.config_era.choices.find((era) => era === value) ?? "3.x";
}

/** `table` is a full name. */
export function decide<T extends KeyTable>(table: string, keys: T, settings: Settings): Effective<T> {
  const values: Record<string, KeyValue> = {};
  for (const [key, spec] of Object.entries(keys)) {
    values[key] = settings.get(table, key)?.value ?? spec.default;
  }
  // The type holds because the settings were checked against the same declarations.
  return values as Effective<T>;
}

function decideHypervisor(
  table: HypervisorTable,
  settings: Settings,
  { installRoot, virtioFsDaemon = "" }: ConfigSurroundings,
): EffectiveHypervisor {
  const name = `hypervisor.${table}`;
  const values = decide(name, hypervisorKeys(), settings);
  const byTable: Record<string, string> = {};
  for (const [key, defaults] of ownDefaults()) {
    const own = defaults[table];
    if (own !== undefined && !settings.has(name, key)) byTable[key] = own;
  }
  const ours = values.image === "" && values.initrd === "" ? { initrd: `${installRoot}/initrd.img` } : {};
  return {
    ...values,
    ...byTable,
    ...ours,
    kernel: values.kernel || `${installRoot}/vmlinux`,
    virtio_fs_daemon: values.virtio_fs_daemon || virtioFsDaemon,
  };
}

let defaultsByTable: [key: string, defaults: Readonly<Partial<Record<HypervisorTable, string>>>][] | undefined;

/** The few keys whose default differs between tables. */
function ownDefaults() {
  defaultsByTable ??= Object.entries(hypervisorKeys()).flatMap(([key, spec]) =>
    "defaults" in spec ? [[key, spec.defaults]] : [],
  );
  return defaultsByTable;
}

function clampAgent(agent: Effective<typeof agentKeys>): Effective<typeof agentKeys> {
  return { ...agent, dial_timeout: agent.dial_timeout || agentKeys.dial_timeout.default };
}

/** The group's table that the file has; the first known one if it has none. */
function presentTable(settings: Settings, group: "agent" | "proxy" | "shim"): string {
  const known = kindsOf(group).map((kind) => `${group}.${kind}`);
  const others = [...settings.tables.keys()].filter((table) => table.startsWith(`${group}.`));
  return known.find((table) => settings.tables.has(table)) ?? others[0] ?? `${group}.kata`;
}

export function chosenHypervisor(settings: Settings, asked: string, report: Report): HypervisorName {
  const named = runtimeKeys.hypervisor.choices.find((name) => name === asked);
  if (named !== undefined && named !== "") return named;
  const present = [...settings.tables.keys()].filter((table) => table.startsWith("hypervisor."));
  const [first, second] = present;
  if (first === undefined) return "qemu";
  // Positions are computed only for a report, because that takes as long as parsing the file.
  const placeOf = (name: string) => settings.tables.get(name)?.() ?? ({ kind: "built-in" } as const);
  if (second !== undefined) {
    report({
      severity: "error",
      origin: placeOf(second),
      key: second,
      reason: `${second}: ${first} is configured too, but only one hypervisor can be used`,
      hint: `choose one with \`hypervisor = "…"\` in [runtime], or remove one of the tables`,
      rank: rank.decoding,
    });
  }
  const table = hypervisorTables.find((name) => first === `hypervisor.${name}`);
  if (table !== undefined) return table;
  report({
    severity: "error",
    origin: placeOf(first),
    key: first,
    reason: `${first}: there is no driver for this hypervisor`,
    hint: `there are drivers for ${hypervisorTables.join(", ")}`,
    rank: rank.hypervisor,
  });
  return "qemu";
}
