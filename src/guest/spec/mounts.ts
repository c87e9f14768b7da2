/** Reads `mounts` of the OCI specification. Pure; destinations are resolved when they are mounted. */
import { copySymlink } from "../../oci/mount-options.ts";
import { normalizePath } from "../../util/path.ts";
import { type Fields, unsupported } from "./fields.ts";
import { isSuperblockWord, readMountOptions } from "./mount-options.ts";
import type { FsParameter, MountPlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

export function readMounts(spec: Fields, notApplied: (phrase: string) => void): MountPlan[] {
  return spec.objects("mounts").map((fields) => readMount(fields, notApplied));
}

function readMount(fields: Fields, notApplied: (phrase: string) => void): MountPlan {
  const destination = readDestination(fields);
  const options = readMountOptions(fields.texts("options"));
  const type = fields.text("type") ?? "";
  const source = fields.text("source") ?? "";
  const isBind = options.bind !== "none" || type === "bind";
  // The host sends this for a source that is a symlink; `source` is then the link's text.
  if (isBind && !options.remount && options.extensions.includes(copySymlink)) {
    if (source === "") throw wrong(fields.key("source"), "is missing: it must be the link's target");
    return { kind: "symlink", destination, text: source };
  }
  const copyUp = readExtensions(fields, options.extensions, type, (word) =>
    notApplied(`mount option ${word} on ${destination}`),
  );
  const { attributes, recursiveAttributes, propagation } = options;
  const base = { destination, attributes, recursiveAttributes, propagation };
  if (isBind) {
    // A bind has no file system of its own for these: other runtimes ignore them silently, here they are reported.
    for (const { key } of options.parameters)
      if (!isSuperblockWord(key)) notApplied(`mount option ${key} on ${destination}`);
  }
  if (options.remount) return { ...base, kind: "remount", parameters: isBind ? [] : forRemount(options.parameters) };
  if (isBind) {
    if (!source.startsWith("/")) {
      throw wrong(fields.key("source"), `must be an absolute path of the guest, not ${JSON.stringify(source)}`);
    }
    return { ...base, kind: "bind", source: normalizePath(source), recursive: options.bind === "rbind" };
  }
  if (type === "") throw wrong(fields.key("type"), "is missing");
  // The guest has only cgroup v2. Inside a cgroup namespace, a mount of it shows the container's own part.
  const fstype = type === "cgroup" ? "cgroup2" : type;
  const parameters = forNew(options.parameters, fstype);
  return { ...base, kind: "new", fstype, source: source === "" ? type : source, parameters, copyUp };
}

/**
 * mount(2) ignores `iversion`, but fsconfig(2) refuses it. ext4 has its own word for it; other file systems have it
 * always or never.
 */
function forNew(parameters: readonly FsParameter[], fstype: string): readonly FsParameter[] {
  return parameters.flatMap((parameter) => {
    if (parameter.key !== "iversion") return parameter;
    return fstype === "ext4" ? { ...parameter, key: "i_version" } : [];
  });
}

/** Leaves out words that a remount cannot change. */
function forRemount(parameters: readonly FsParameter[]): readonly FsParameter[] {
  return parameters.filter(({ key }) => key !== "iversion" && key !== "dirsync");
}

/** Old configurations have relative paths; runtimes take them as relative to the root. */
function readDestination(fields: Fields): string {
  const destination = normalizePath(`/${fields.requiredText("destination")}`);
  if (destination === "/") throw wrong(fields.key("destination"), "must lie below the root file system");
  return destination;
}

/** Returns whether the mount begins with a copy of what it covers. */
function readExtensions(
  fields: Fields,
  extensions: readonly string[],
  type: string,
  notApplied: (word: string) => void,
): boolean {
  if (fields.objects("uidMappings").length > 0 || fields.objects("gidMappings").length > 0)
    refuseIdMapping(fields.where);
  let copyUp = false;
  for (const word of extensions) {
    const [name] = word.split("=");
    if (name === "idmap" || name === "ridmap") refuseIdMapping(fields.key("options"));
    if (name === "notmpcopyup") copyUp = false;
    else if (name === "tmpcopyup" && type === "tmpfs") copyUp = true;
    else notApplied(word);
  }
  return copyUp;
}

function refuseIdMapping(key: string): never {
  throw unsupported(key, "asks for an id-mapped mount, which is not supported");
}
