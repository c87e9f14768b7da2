/**
 * Finds and reads the configuration: the file, its drop-ins, annotations and the command line, each on top of the
 * previous. `loadConfig` fails with the first error; `loadSettings` returns all of them.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, messageOf } from "../util/errors.ts";
import { isRecord } from "../util/json.ts";
import { dirName } from "../util/path.ts";
import { type Annotations, addAnnotations, otherConfigFile } from "./annotations.ts";
import { checkConfig } from "./checks/check-config.ts";
import { lookAtFiles, resolveFiles } from "./checks/files.ts";
import { checkImageHeader } from "./checks/image-header.ts";
import { checkOwnKernel } from "./checks/own-kernel.ts";
import type { Config, ConfigSurroundings } from "./config.ts";
import { type EffectiveConfig, effectiveConfig, eraNamed } from "./effective.ts";
import { defaultConfigPaths, findConfigFile } from "./find.ts";
import { surroundingsOf } from "./host.ts";
import type { ConfigEra } from "./key.ts";
import { addOverrides } from "./overrides.ts";
import { configError, errorsIn, type Origin, type Problem, type Report, rank } from "./problem.ts";
import { configOf } from "./resolve.ts";
import { addDocument, type FileLayer, Settings } from "./settings.ts";
import { maxFileBytes, parseToml } from "./toml.ts";
import { noticeWithoutEffect } from "./without-effect.ts";

export interface LoadConfigOptions {
  readonly installRoot: string;
  /** The only file to try, which must exist; default: the first of `find.ts` that exists. */
  readonly path?: string | undefined;
  /** Replaces the system's paths one by one; an empty entry keeps the system's. For programs that embed Kumite. */
  readonly defaultPaths?: readonly string[];
  /** From the sandbox's specification. */
  readonly annotations?: Annotations;
  /** `TABLE.KEY=VALUE` from the command line. */
  readonly overrides?: readonly string[];
}

export interface Loaded {
  readonly settings: Settings;
  readonly effective: EffectiveConfig;
  readonly surroundings: ConfigSurroundings;
  /** Without symlinks; `undefined` if there is no file. */
  readonly file: string | undefined;
  /** In the order in which they were found. */
  readonly problems: readonly Problem[];
}

/** @throws KumiteError `config/invalid`, naming the file, its line and the key */
export async function loadConfig(os: Os, options: LoadConfigOptions): Promise<Config> {
  const loaded = await loadSettings(os, options);
  const errors = errorsIn(loaded.problems);
  if (errors.length > 0) throw configError(errors);
  return configOf(loaded.effective, loaded);
}

/** Like `loadConfig`, but returns errors as data. Fails only if there is nothing to examine. */
export async function loadSettings(os: Os, options: LoadConfigOptions): Promise<Loaded> {
  const problems: Problem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const { overrides = [], annotations = {} } = options;
  const paths = defaultConfigPaths.map((path, index) => options.defaultPaths?.[index] || path);
  const [surroundings, [found, read]] = await Promise.all([
    surroundingsOf(os, options.installRoot),
    findConfigFile(os, options.path, paths).then(
      async (file) => [file, file === undefined ? [] : await readLayers(os, file, report)] as const,
    ),
  ]);
  let [file, layers]: [string | undefined, readonly FileLayer[]] = [found, read];
  const other = await otherConfigFile(os, annotations, () => peek(layers, overrides));
  if (other !== undefined) {
    problems.length = 0;
    file = other;
    layers = await readLayers(os, file, report);
  }
  const settings = new Settings();
  // The era decides how layers are read, so it is determined first; the last layer that names one counts.
  const era = askedEra(layers, overrides);
  for (const layer of layers) addDocument(settings, layer, era, report);
  await addAnnotations(os, settings, annotations, { era, surroundings, report });
  addOverrides(settings, overrides, era, report);
  const decided = effectiveConfig(settings, surroundings, report);
  const files = await lookAtFiles(os, decided, settings);
  const effective = resolveFiles(decided, files, settings, report);
  checkConfig({ effective, settings, files, report }, surroundings);
  await checkOwnKernel(os, options.installRoot, effective, settings, report);
  await checkImageHeader(os, effective, settings, files, report);
  noticeWithoutEffect(effective, settings, report);
  return { settings, effective, surroundings, file, problems };
}

/** The era that the last layer names. Whether that era exists is checked later. */
function askedEra(layers: readonly FileLayer[], overrides: readonly string[]): ConfigEra {
  const key = "runtime.config_era=";
  const inFiles = layers.map(({ document }) => (isRecord(document.runtime) ? document.runtime.config_era : undefined));
  const inWords = overrides.filter((word) => word.startsWith(key)).map((word) => word.slice(key.length));
  return eraNamed([...inFiles, ...inWords].findLast((value) => value !== undefined));
}

function peek(layers: readonly FileLayer[], overrides: readonly string[]): Settings {
  const settings = new Settings();
  for (const layer of layers) addDocument(settings, layer, "3.x", () => {});
  addOverrides(settings, overrides, "3.x", () => {});
  return settings;
}

/** The file and its drop-ins. An unreadable drop-in is an error, so that its settings are never silently missing. */
async function readLayers(os: Os, file: string, report: Report): Promise<FileLayer[]> {
  const further = await dropIns(os, file, report);
  const reading = [readLayer(os, file, "file"), ...further.map((path) => readLayer(os, path, "drop-in"))];
  return (await Promise.all(reading)).flatMap((read) => {
    if ("document" in read) return [read];
    report(read);
    return [];
  });
}

async function dropIns(os: Os, file: string, report: Report): Promise<string[]> {
  const directory = `${dirName(file)}/config.d`;
  try {
    const names = await os.files.list(directory);
    return names.sort(byBytes).map((name) => `${directory}/${name}`);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    if (!isSystemError(error)) throw error;
    const reason = `drop-ins cannot be read: ${messageOf(error)}`;
    report({ severity: "error", origin: { kind: "drop-in", file: directory }, reason, rank: rank.decoding });
    return [];
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function readLayer(os: Os, file: string, kind: FileLayer["kind"]): Promise<FileLayer | Problem> {
  const fault = (origin: Origin, reason: string, hint: string): Problem => ({
    severity: "error",
    origin,
    reason,
    hint,
    rank: rank.decoding - 1,
  });
  let text: string;
  try {
    text = await os.files.readText(file, maxFileBytes);
  } catch (error) {
    if (isSystemError(error, "EFBIG")) {
      return fault(
        { kind, file },
        `the file is larger than ${maxFileBytes} bytes`,
        "a configuration file has a few kilobytes: is this the right file?",
      );
    }
    if (!isSystemError(error)) throw error;
    return fault({ kind, file }, `the file cannot be read (${messageOf(error)})`, "make it readable, or remove it");
  }
  const parsed = parseToml(text, file, kind);
  if (!parsed.ok) return fault(parsed.origin, parsed.what, "the file must be TOML 1.0");
  return { kind, file, text, document: parsed.document };
}
