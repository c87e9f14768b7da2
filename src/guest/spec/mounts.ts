/** `mounts` of the OCI specification. Pure; destinations are resolved where they are mounted. */
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
  // The host asks for it where it has a link, whose text the source is then.
  if (isBind && !options.remount && options.extensions.includes(copySymlink)) {
    if (source === "") throw wrong(fields.key("source"), "is missing: it is what the link says");
    return { kind: "symlink", destination, text: source };
  }
  const copyUp = readExtensions(fields, options.extensions, type, (word) =>
    notApplied(`mount option ${word} on ${destination}`),
  );
  const { attributes, recursiveAttributes, propagation } = options;
  const base = { destination, attributes, recursiveAttributes, propagation };
  if (isBind) {
    // A bind has no file system of its own to take them: as under other runtimes they mean nothing, but are told.
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
  // The guest has the version 2 hierarchy only; inside a cgroup namespace it shows the container's own part.
  const fstype = type === "cgroup" ? "cgroup2" : type;
  const parameters = forNew(options.parameters, fstype);
  return { ...base, kind: "new", fstype, source: source === "" ? type : source, parameters, copyUp };
}

/** fsconfig(2) refuses what mount(2) passes over: this is a word of ext4's own, elsewhere it is always so, or never. */
function forNew(parameters: readonly FsParameter[], fstype: string): readonly FsParameter[] {
  return parameters.flatMap((parameter) => {
    if (parameter.key !== "iversion") return parameter;
    return fstype === "ext4" ? { ...parameter, key: "i_version" } : [];
  });
}

/** What cannot change any more is passed over as well. */
function forRemount(parameters: readonly FsParameter[]): readonly FsParameter[] {
  return parameters.filter(({ key }) => key !== "iversion" && key !== "dirsync");
}

/** Old configurations have relative ones, which runtimes take as relative to the root. */
function readDestination(fields: Fields): string {
  const destination = normalizePath(`/${fields.requiredText("destination")}`);
  if (destination === "/") throw wrong(fields.key("destination"), "must lie below the root file system");
  return destination;
}

/** Whether the mount begins with a copy of what it covers. */
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
