/** Reads `linux.personality`: the execution domain of all processes of a container (personality(2)). Pure. */
import { type Fields, unsupported } from "./fields.ts";
import { wrong } from "./wrong.ts";

const domains: ReadonlyMap<string, number> = new Map([
  ["LINUX", 0x0000],
  ["LINUX32", 0x0008],
]);

export function readPersonality(linux: Fields | undefined): number | undefined {
  const fields = linux?.object("personality");
  if (fields === undefined) return undefined;
  const domain = fields.requiredText("domain");
  const persona = domains.get(domain);
  if (persona === undefined)
    throw wrong(fields.key("domain"), `must be LINUX or LINUX32, not ${JSON.stringify(domain)}`);
  if (fields.texts("flags").length > 0)
    throw unsupported(fields.key("flags"), "must be empty, since no flags are defined");
  return persona;
}
