/**
 * crun's own tests: fetched from Debian's source package, run one at a time with the runtime under test. Knows nothing
 * about their expected results.
 *
 * The tests see a host with only cgroup v2, whatever the real host has: what they check about cgroups, they look for in
 * the container, and a container in a VM always has version 2.
 */
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fetchSource, type SourcePackage } from "../../../tools/engine/apt-source.ts";
import { cached, contentKey } from "../../../tools/engine/cache.ts";
import { run } from "../../../tools/engine/run.ts";
import { execute, type Finished, succeed } from "../../support/command.ts";
import { onTerminal } from "../../support/terminal.ts";
import { makeTestDirectory } from "../../support/test-directory.ts";
import { runtimePath } from "../../support/workplace.ts";

const source: SourcePackage = { release: "trixie", name: "crun", upstreamVersion: "1.21", upstreamOnly: true };
const python = "/usr/bin/python3";
const driver = path.join(import.meta.dirname, "python/run_test.py");
/** The results of crun's configure script that matter to the program which its tests put into every container. */
const configuration = "#define HAVE_ERROR_H 1\n#define HAVE_LINUX_IOPRIO_H 1\n";
const compilerFlags: readonly string[] = ["-O1", "-static", "-D_GNU_SOURCE", "-w"];
/** Longer than the driver's own limit, to leave it time to clean up. */
const testTimeoutMs = 180_000;

/** A test's name is `module/test`. */
export interface SuiteTest {
  readonly module: string;
  readonly test: string;
}

export interface Conditions {
  /** The test needs a terminal. */
  readonly terminal: boolean;
}

export type Outcome = "passes" | "fails" | "skips";

export interface Report {
  readonly outcome: Outcome;
  /** All output, for whoever investigates a failure. */
  readonly said: string;
}

export class CrunSuite {
  private constructor(
    private readonly tests: string,
    private readonly init: string,
  ) {}

  static async open(): Promise<CrunSuite> {
    const key = contentKey(JSON.stringify([source, compilerFlags, configuration]));
    const directory = await cached("crun-tests", key, make);
    return new CrunSuite(path.join(directory, "tests"), path.join(directory, "init"));
  }

  async list(): Promise<SuiteTest[]> {
    const { stdout } = await succeed([python, driver, this.tests, "list"]);
    return stdout
      .split("\n")
      .map((line) => line.split(" "))
      .flatMap(([module = "", test = ""]) => (test === "" ? [] : [{ module, test }]));
  }

  async run({ module, test }: SuiteTest, conditions: Conditions): Promise<Report> {
    const place = makeTestDirectory("crun");
    try {
      const environment = { OCI_RUNTIME: runtimePath, INIT: this.init, PYTHONDONTWRITEBYTECODE: "1" };
      const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      const command = [python, driver, this.tests, "run", module, test];
      const argv = [...onlyCgroup2, "env", "-C", place, ...settings, ...command];
      return reportOf(conditions.terminal ? await talk(argv) : await execute(argv, { timeoutMs: testTimeoutMs }));
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  }
}

/**
 * Runs the rest of the command line where /sys/fs/cgroup is only cgroup v2, and with its own process 1, whose
 * namespaces the tests may enter whatever the host's init is.
 */
const onlyCgroup2: readonly string[] = [
  "unshare",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
  "sh",
  "-ec",
  `if [ "$(stat --file-system --format %T /sys/fs/cgroup)" != cgroup2fs ]; then
     umount --recursive /sys/fs/cgroup
     mount -t cgroup2 cgroup2 /sys/fs/cgroup
   fi
   exec "$@"`,
  "sh",
];

async function make(directory: string): Promise<void> {
  const work = path.join(directory, "work");
  await mkdir(path.join(work, "include"), { recursive: true });
  const tree = await fetchSource(source, work);
  await writeFile(path.join(work, "include/config.h"), configuration);
  const include = `-I${path.join(work, "include")}`;
  await run("gcc", [...compilerFlags, include, "-o", path.join(directory, "init"), path.join(tree, "tests/init.c")]);
  await cp(path.join(tree, "tests"), path.join(directory, "tests"), { recursive: true });
  await rm(work, { recursive: true });
}

async function talk(argv: readonly string[]): Promise<Pick<Finished, "stdout" | "stderr" | "status">> {
  const terminal = await onTerminal(argv);
  const limit = setTimeout(() => terminal.kill(), testTimeoutMs);
  const { shown, reports, status } = await terminal.ended.finally(() => clearTimeout(limit));
  return { stdout: shown.replaceAll("\r\n", "\n"), stderr: reports, status };
}

function reportOf({ stdout, stderr, status }: Pick<Finished, "stdout" | "stderr" | "status">): Report {
  const [, not, skip] = /^(not )?ok 1 - \S+( #SKIP)?$/m.exec(stdout) ?? [];
  const said = [stdout, stderr, `status ${status}`].join("\n").trim();
  const finished = status === 0 && /^(not )?ok 1 - /m.test(stdout);
  if (!finished || not !== undefined) return { outcome: "fails", said };
  return { outcome: skip === undefined ? "passes" : "skips", said };
}
