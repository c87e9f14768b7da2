/**
 * Reads `linux.sysctl`. Accepts only parameters that the kernel keeps per namespace, since any other would change all
 * containers of the sandbox and the agent. Pure.
 */
import type { Fields } from "./fields.ts";
import { hasOwnNamespace } from "./namespaces.ts";
import type { NamespacePlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

const ofIpcNamespace: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

export function readSysctl(linux: Fields | undefined, namespaces: NamespacePlan): (readonly [string, string])[] {
  return (linux?.pairs("sysctl") ?? []).map(([given, value]) => {
    // Both forms are in use: net.ipv4.ip_forward and net/ipv4/ip_forward. The latter is for names that contain dots.
    const name = given.includes("/") ? given : given.replaceAll(".", "/");
    const fault = faultOf(name, namespaces);
    if (fault !== undefined) throw wrong(`linux.sysctl[${JSON.stringify(given)}]`, fault);
    return [name, value];
  });
}

function faultOf(name: string, namespaces: NamespacePlan): string | undefined {
  if (!/^[\w-]+(\/[\w.@:-]+)+$/.test(name) || name.split("/").includes(".."))
    return "is not the name of a kernel parameter";
  const dotted = name.replaceAll("/", ".");
  if (ofIpcNamespace.has(dotted) || dotted.startsWith("fs.mqueue.")) {
    return hasOwnNamespace(namespaces, "ipc") ? undefined : "needs an ipc namespace";
  }
  if (dotted === "kernel.domainname") return hasOwnNamespace(namespaces, "uts") ? undefined : "needs a uts namespace";
  if (dotted === "kernel.hostname") return "conflicts with hostname: set that instead";
  // Without its own network namespace, the container uses the sandbox's network, and may configure it.
  if (dotted.startsWith("net.")) return undefined;
  return "does not belong to a namespace of the container";
}
