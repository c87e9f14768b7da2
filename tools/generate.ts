/**
 * Generates files that are checked in: the TypeScript of proto/ in src/protocol/gen, the system call tables in
 * src/seccomp/gen, and the configuration reference in docs/configuration.md: `npm run generate`. With `--check` it
 * writes nothing, and fails with a diff if a checked-in file differs from its sources. Needs protoc and the kernel's
 * headers (Debian: protobuf-compiler, linux-libc-dev).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { configurationPage } from "./documents/configuration-page.ts";
import { systemCallTables } from "./system-calls.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const sources = join(repository, "proto");
const messages: Target = { directory: join(repository, "src/protocol/gen"), source: "proto/" };
const tables: Target = { directory: join(repository, "src/seccomp/gen"), source: "the kernel's headers" };
const plugin = join(repository, "node_modules/.bin/protoc-gen-ts_proto");

interface Target {
  readonly directory: string;
  /** What the content is made from. */
  readonly source: string;
}

/** Options that keep the output small, portable and independent of protoc's version. */
const options = {
  annotateFilesWithVersion: "false",
  enumsAsLiterals: "true",
  env: "both",
  esModuleInterop: "true",
  exportCommonSymbols: "false",
  forceLong: "bigint",
  importSuffix: ".ts",
  outputClientImpl: "false",
  outputJsonMethods: "false",
  outputServices: "generic-definitions",
  snakeToCamel: "keys",
  unrecognizedEnum: "false",
  useDate: "false",
  // Keys come from the guest, and in a plain object "__proto__" would not be an ordinary key.
  useMapType: "true",
};

function main(args: readonly string[]): number {
  const check = args.includes("--check");
  const unknown = args.find((arg) => arg !== "--check");
  if (unknown !== undefined) return fail(`unknown argument ${unknown}; only --check is known`);

  const output = mkdtempSync(join(tmpdir(), "kumite-generate-"));
  const [ofMessages, ofTables] = [join(output, "messages"), join(output, "tables")];
  try {
    mkdirSync(ofMessages);
    const failure = generate(ofMessages) ?? dropRangeChecks(ofMessages);
    if (failure !== undefined) return fail(failure);
    mkdirSync(ofTables);
    writeFileSync(join(ofTables, "system-calls.ts"), systemCallTables());
    const finish = check ? compare : replace;
    return finish(ofMessages, messages) || finish(ofTables, tables) || finishPage(check);
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

/** Writes the configuration reference. */
function finishPage(check: boolean): number {
  const file = join(repository, "docs/configuration.md");
  const page = configurationPage();
  if (existsSync(file) && readFileSync(file, "utf8") === page) return 0;
  if (check) return fail("docs/configuration.md is not what src/config/keys gives; run `npm run generate`");
  writeFileSync(file, page);
  return 0;
}

/** Returns an error message, if there was an error. */
function generate(output: string): string | undefined {
  const files = readdirSync(sources, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".proto"))
    .sort();
  const parameters = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const protoc = spawnSync(
    "protoc",
    [
      `--proto_path=${sources}`,
      `--plugin=protoc-gen-ts_proto=${plugin}`,
      `--ts_proto_out=${output}`,
      `--ts_proto_opt=${parameters.join(",")}`,
      ...files,
    ],
    { encoding: "utf8" },
  );
  if (protoc.error !== undefined) {
    return `cannot run protoc (${protoc.error.message}); install it: apt-get install protobuf-compiler`;
  }
  return protoc.status === 0 ? undefined : `protoc failed:\n${protoc.stderr.trimEnd()}`;
}

/**
 * Removes the checks of 64-bit ranges. The code that encodes messages makes the same checks, and the generated ones
 * call BigInt.asUintN, for which the small engine returns wrong results from 2^63 on, so that an unlimited rlimit could
 * not be sent.
 */
function dropRangeChecks(output: string): string | undefined {
  const check =
    /^ *if \(BigInt\.asU?[iI]ntN\(64, (\S+)\) !== \1\) \{\n *throw new globalThis\.Error\([^;]*\);\n *\}\n/gm;
  for (const file of filesBelow(output)) {
    const path = join(output, file);
    const text = readFileSync(path, "utf8").replace(check, "");
    if (/asU?[iI]ntN/.test(text)) return `${file} has a 64-bit check of a form that is not known here`;
    writeFileSync(path, text);
  }
  return undefined;
}

/** Does not touch unchanged files, so that watchers and parallel builds do not see them disappear. */
function replace(output: string, { directory }: Target): number {
  const made = new Set(filesBelow(output));
  mkdirSync(directory, { recursive: true });
  for (const file of filesBelow(directory)) {
    if (!made.has(file)) rmSync(join(directory, file));
  }
  for (const file of made) {
    const text = readFileSync(join(output, file), "utf8");
    const path = join(directory, file);
    if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return 0;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .sort();
}

function compare(output: string, { directory, source }: Target): number {
  const diff = spawnSync("diff", ["--recursive", "--unified", "--new-file", directory, output], { encoding: "utf8" });
  if (diff.error !== undefined) return fail(`cannot run diff: ${diff.error.message}`);
  if (diff.status === 0) return 0;
  process.stdout.write(diff.stdout);
  return fail(`${relative(repository, directory)} is not what ${source} gives; run \`npm run generate\``);
}

function fail(message: string): number {
  process.stderr.write(`generate: ${message}\n`);
  return 1;
}

process.exitCode = main(process.argv.slice(2));
