/** Reads `process` of the OCI specification, for the first process of a container and for every exec process. Pure. */
import { normalizePath } from "../../util/path.ts";
import { readCapabilities } from "./capabilities.ts";
import type { Fields } from "./fields.ts";
import type { ProcessPlan, TerminalPlan, UserPlan } from "./plan.ts";
import { readRlimits } from "./rlimits.ts";
import { readAffinity, readIoPriority, readScheduler } from "./scheduling.ts";
import { wrong } from "./wrong.ts";

/** The usual umask of a shell, and runc's default, too. */
const defaultUmask = 0o022;
/** The kernel's struct winsize has 16 bits. */
const maxWindow = 0xffff;

export function readProcess(fields: Fields, notApplied: (phrase: string) => void): ProcessPlan {
  const args = fields.texts("args");
  if (args[0] === undefined || args[0] === "") throw wrong(fields.key("args"), "must name a program");
  for (const name of ["apparmorProfile", "selinuxLabel"]) if (fields.text(name)) notApplied(fields.key(name));
  return {
    terminal: fields.flag("terminal") ? readTerminal(fields) : undefined,
    args,
    env: readEnv(fields),
    cwd: normalizePath(fields.absolutePath("cwd")),
    user: readUser(fields.object("user")),
    capabilities: readCapabilities(fields, notApplied),
    noNewPrivileges: fields.flag("noNewPrivileges"),
    rlimits: readRlimits(fields),
    oomScoreAdj: fields.integer("oomScoreAdj", -1000, 1000),
    scheduler: readScheduler(fields),
    ioPriority: readIoPriority(fields),
    affinity: readAffinity(fields),
  };
}

function readTerminal(process: Fields): TerminalPlan {
  const size = process.object("consoleSize");
  return {
    rows: size?.integer("height", 0, maxWindow) ?? 0,
    columns: size?.integer("width", 0, maxWindow) ?? 0,
  };
}

/** If a name occurs twice, the later value is kept; a C library would use the first. */
function readEnv(process: Fields): string[] {
  const byName = new Map<string, string>();
  process.texts("env").forEach((entry, index) => {
    const equals = entry.indexOf("=");
    if (equals < 1) throw wrong(`${process.key("env")}[${index}]`, "must be NAME=value");
    byName.set(entry.slice(0, equals), entry);
  });
  return [...byName.values()];
}

function readUser(user: Fields | undefined): UserPlan {
  return {
    uid: user?.id("uid") ?? 0,
    gid: user?.id("gid") ?? 0,
    additionalGids: user?.ids("additionalGids") ?? [],
    umask: user?.integer("umask", 0, 0o777) ?? defaultUmask,
  };
}
