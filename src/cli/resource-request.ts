/** The request of an `update`: a document in the form of `linux.resources`, from a file or from flags. */
import type { OciResources } from "../oci/spec.ts";
import { readDocument, validateResources } from "../oci/validate.ts";
import type { Os } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import { KumiteError } from "../util/errors.ts";
import { dropNulls, JsonSyntaxError, parseJson } from "../util/json.ts";
import { resolvePath } from "../util/path.ts";
import { decodeUtf8 } from "../util/text.ts";
import type { Invocation } from "./parse.ts";
import { parseBytes, parseInteger } from "./quantity.ts";

const maxInputBytes = 1024 * 1024;

type Flags = Invocation<"update">["flags"];

/** @throws KumiteError `usage/invalid`, `oci/bundle-invalid`, `oci/spec-invalid` */
export async function readResourceRequest(os: Os, flags: Flags): Promise<OciResources> {
  const file = flags.resources;
  if (file === undefined) return resourcesOf(flags);
  if (file === "-") return validateResources(await readInput(os), "standard input");
  const path = resolvePath(os.self.cwd(), file);
  const unreadableHint = "name a JSON file with an object like `linux.resources` in config.json";
  return validateResources(await readDocument(os, path, unreadableHint), path);
}

async function readInput(os: Os): Promise<unknown> {
  const input = os.self.stream(0);
  try {
    return dropNulls(parseJson(decodeUtf8(await readAll(input, maxInputBytes))));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new KumiteError("oci/spec-invalid", `standard input: ${error.message}`, {
      hint: "with `--resources -` an update reads JSON in the form of linux.resources",
    });
  } finally {
    input.close();
  }
}

/** Contains only what was given. */
function resourcesOf(flags: Flags): OciResources {
  const integer = (flag: keyof Flags & string, min: number) =>
    value(flags, flag, (text) => parseInteger(flag, text, min));
  const bytes = (flag: keyof Flags & string) => value(flags, flag, (text) => parseBytes(flag, text));
  return {
    ...section("memory", {
      limit: bytes("memory"),
      reservation: bytes("memory-reservation"),
      swap: bytes("memory-swap"),
      kernel: bytes("kernel-memory"),
      kernelTCP: bytes("kernel-memory-tcp"),
    }),
    ...section("cpu", {
      shares: integer("cpu-share", 0) ?? integer("cpu-shares", 0),
      quota: integer("cpu-quota", -1),
      period: integer("cpu-period", 0),
      burst: integer("cpu-burst", 0),
      idle: integer("cpu-idle", 0),
      realtimeRuntime: integer("cpu-rt-runtime", -1),
      realtimePeriod: integer("cpu-rt-period", 0),
      cpus: flags["cpuset-cpus"],
      mems: flags["cpuset-mems"],
    }),
    ...section("pids", { limit: integer("pids-limit", -1) }),
    ...section("blockIO", { weight: integer("blkio-weight", 0) }),
  };
}

function value<Value>(flags: Flags, flag: keyof Flags, parse: (text: string) => Value): Value | undefined {
  const text = flags[flag];
  return text === undefined ? undefined : parse(text);
}

/** The section with the values that were given; nothing if none was. */
function section<Name extends string>(
  name: Name,
  values: Readonly<Record<string, unknown>>,
): { [Key in Name]?: object } {
  const given = Object.entries(values).filter(([, item]) => item !== undefined);
  return given.length === 0 ? {} : ({ [name]: Object.fromEntries(given) } as { [Key in Name]?: object });
}
