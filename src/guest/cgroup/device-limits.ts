/**
 * Compiles device rules that the agent has read itself. A host running Kumite sends the rules together with their
 * program.
 */
import type { DeviceRule } from "../spec/plan.ts";
import type { DeviceLimits } from "./device-filter.ts";
import { deviceProgram, deviceRulesText } from "./device-program.ts";

export function deviceLimits(rules: readonly DeviceRule[]): DeviceLimits {
  return { rules: deviceRulesText(rules), program: deviceProgram(rules) };
}
