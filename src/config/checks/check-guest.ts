/** Checks `image` and `initrd`. Pure; the files were examined before. */
import { oneLine } from "../../util/text.ts";
import { rank } from "../problem.ts";
import { type CheckContext, wrong } from "./check-context.ts";

const mib = 1024 * 1024;

/** Only one of `image` and `initrd` may be set, and it must fit into the VM's memory. */
export function checkGuest(context: CheckContext): void {
  const { effective, settings, files } = context;
  const { era, chosen } = effective;
  const table = `hypervisor.${chosen}`;
  const values = effective.hypervisors[chosen];
  const [image, initrd] = [settings.get(table, "image")?.value || "", settings.get(table, "initrd")?.value || ""];
  const [imageFile, initrdFile] = [files.byKey.get("image"), files.byKey.get("initrd")];
  const old = era !== "3.x";
  if (image === "" && initrd === "") {
    if (!old || !settings.tables.has(table)) return;
    const reason = era === "1.0" ? "Missing image and initrd path" : neither("not set", "not set");
    const origin = settings.tables.get(table)?.() ?? { kind: "built-in" };
    context.report({ severity: "error", origin, key: table, reason: `${table}: ${reason}`, rank: rank.bothOrNeither });
    return;
  }
  const both = image !== "" && initrd !== "";
  if (both && old && imageFile?.found === false && initrdFile?.found === false) {
    wrong(context, table, "image", `${table}: ${neither(initrdFile.why, imageFile.why)}`, rank.bothOrNeither);
  } else if (both && era !== "1.0" && (!old || (imageFile?.found === true && initrdFile?.found === true))) {
    const reason = "having both an image and an initrd defined in the configuration file is not supported";
    wrong(context, table, "image", `${table}.image: ${reason}`, rank.bothOrNeither);
  }
  if (era === "1.0") return;
  checkSize(context, "image", values.default_memory);
  checkSize(context, "initrd", values.default_memory);
}

function neither(initrd: string, image: string): string {
  return `Either initrd or image must be set to a valid path (initrd: ${initrd}) (image: ${image})`;
}

/** A guest whose memory is filled by its own file system cannot start. Files of at most 1 MiB are not compared. */
function checkSize(context: CheckContext, key: "image" | "initrd", memoryMiB: number): void {
  const { effective, settings, files, report } = context;
  const table = `hypervisor.${effective.chosen}`;
  const fact = files.byKey.get(key);
  if (fact === undefined || !fact.found) return;
  const path = oneLine(String(settings.get(table, key)?.value), 200);
  const { size, kind } = fact.status;
  const empty = kind === "file" && size === 0;
  if (kind === "directory" || empty) {
    const fault = empty ? `image "${path}" is empty` : `${path} is a directory`;
    wrong(context, table, key, `${table}.${key}: ${fault}`, rank.machine);
  }
  if (kind !== "file") return;
  const sizeMiB = Math.floor(size / mib);
  if (size <= mib || sizeMiB < memoryMiB) return;
  const reason = `${table}.${key}: VM memory (${memoryMiB}MB) smaller than image "${path}" size (${sizeMiB}MB)`;
  const severity = key === "initrd" ? "error" : "notice";
  report({ severity, origin: settings.origin(table, key), key: `${table}.${key}`, reason, rank: rank.machine });
}
