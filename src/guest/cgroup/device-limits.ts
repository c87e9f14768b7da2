/** Rules of devices that the agent has read, with their program. Hosts of ours send both. */
import type { DeviceRule } from "../spec/plan.ts";
import type { DeviceLimits } from "./device-filter.ts";
import { deviceProgram, deviceRulesText } from "./device-program.ts";

export function deviceLimits(rules: readonly DeviceRule[]): DeviceLimits {
  return { rules: deviceRulesText(rules), program: deviceProgram(rules) };
}
