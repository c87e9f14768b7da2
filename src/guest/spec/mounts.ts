/** `mounts` of the OCI specification. Pure; destinations are resolved where they are mounted. */
import { normalizePath } from "../../util/path.ts";
import { type Fields, unsupported, wrong } from "./fields.ts";
import { isSuperblockWord, readMountOptions } from "./mount-options.ts";
import type { MountPlan } from "./plan.ts";

export function readMounts(spec: Fields, notApplied: (phrase: string) => void): MountPlan[] {
  return spec.objects("mounts").map((fields) => readMount(fields, notApplied));
}

function readMount(fields: Fields, notApplied: (phrase: string) => void): MountPlan {
  const destination = normalizePath(fields.absolutePath("destination"));
  if (destination === "/") throw wrong(fields.key("destination"), "must lie below the root file system");
  const options = readMountOptions(fields.texts("options"));
  const type = fields.text("type") ?? "";
  const source = fields.text("source") ?? "";
  refuseExtensions(fields, destination, options.extensions, notApplied);
  if (options.remount) throw unsupported(fields.key("options"), "asks for a remount, which is not supported");
  const { attributes, recursiveAttributes, propagation } = options;
  const base = { destination, attributes, recursiveAttributes, propagation };
  if (options.bind !== "none" || type === "bind") {
    if (!source.startsWith("/")) {
      throw wrong(fields.key("source"), `must be an absolute path of the guest, not ${JSON.stringify(source)}`);
    }
    const stray = options.parameters.find(({ key }) => !isSuperblockWord(key));
    if (stray !== undefined) throw wrong(fields.key("options"), `has an unknown word: ${JSON.stringify(stray.key)}`);
    return { ...base, kind: "bind", source: normalizePath(source), recursive: options.bind === "rbind" };
  }
  if (type === "") throw wrong(fields.key("type"), "is missing");
  // The guest has the version 2 hierarchy only; inside a cgroup namespace it shows the container's own part.
  const fstype = type === "cgroup" ? "cgroup2" : type;
  return { ...base, kind: "new", fstype, source: source === "" ? type : source, parameters: options.parameters };
}

function refuseExtensions(
  fields: Fields,
  destination: string,
  extensions: readonly string[],
  notApplied: (phrase: string) => void,
): void {
  if (fields.objects("uidMappings").length > 0 || fields.objects("gidMappings").length > 0) {
    throw unsupported(fields.where, "asks for an id-mapped mount, which is not supported");
  }
  for (const word of extensions) {
    const name = word.split("=")[0];
    if (name === "idmap" || name === "ridmap") {
      throw unsupported(fields.key("options"), "asks for an id-mapped mount, which is not supported");
    }
    if (name !== "notmpcopyup") notApplied(`mount option ${word} on ${destination}`);
  }
}
