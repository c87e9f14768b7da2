/**
 * What an agent does before anybody has asked for it, in a machine that others will go on from: each of them is spared it.
 * It is what most containers need, whosever they are, and nothing of it is secret.
 */
import { messageOf } from "../../util/errors.ts";
import type { Agent } from "../agent.ts";
import { readDeviceRules } from "../spec/device-rules.ts";
import { Fields } from "../spec/fields.ts";

/** What engines and people say about devices when they say nothing else. */
const usualResources = { devices: [{ allow: false, access: "rwm" }] };

/** @param modules of the kernel. What cannot be done is left to who needs it, and will hear why. */
export function workAhead({ modules, sandbox, deviceFilters, log }: Agent, names: readonly string[]): void {
  for (const name of names) modules.need(name);
  try {
    sandbox.makeNamespaces();
    deviceFilters.prepare(readDeviceRules(new Fields(usualResources, "linux.resources")));
  } catch (error) {
    log.warn("something could not be done ahead", { error: messageOf(error) });
  }
}
