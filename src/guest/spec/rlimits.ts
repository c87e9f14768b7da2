/** Translates resource limits of the OCI specification to the numbers of getrlimit(2). Pure. */
import type { Fields } from "./fields.ts";
import type { RlimitPlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

/** The same on every architecture that the engine supports. */
const resources: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** `process.rlimits`. */
export function readRlimits(process: Fields): RlimitPlan[] {
  const seen = new Set<string>();
  return process.objects("rlimits").map((fields) => {
    const name = fields.requiredText("type");
    const resource = Object.hasOwn(resources, name) ? resources[name] : undefined;
    if (resource === undefined) throw wrong(fields.key("type"), `is not a resource limit: ${JSON.stringify(name)}`);
    if (seen.has(name)) throw wrong(fields.key("type"), `is a second entry for ${name}`);
    seen.add(name);
    const soft = fields.uint64("soft");
    const hard = fields.uint64("hard");
    if (soft === undefined || hard === undefined) throw wrong(fields.where, "needs both soft and hard");
    if (soft > hard) throw wrong(fields.where, `has a soft limit above the hard one: ${soft} > ${hard}`);
    return { name, resource, soft, hard };
  });
}
