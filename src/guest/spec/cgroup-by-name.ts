/**
 * Resources whose names are data in the specification: huge pages by size, RDMA by device, and any file by name. Pure.
 */
import type { Fields } from "./fields.ts";
import type { CgroupSetting } from "./plan.ts";
import { wrong } from "./wrong.ts";

export function hugepageSettings(resources: Fields): CgroupSetting[] {
  return resources.objects("hugepageLimits").flatMap((item): CgroupSetting[] => {
    const size = item.requiredText("pageSize");
    if (!/^[1-9][0-9]{0,9}[KMG]B$/.test(size)) {
      throw wrong(item.key("pageSize"), `is not a page size such as 2MB: ${JSON.stringify(size)}`);
    }
    const limit = item.uint64("limit");
    if (limit === undefined) throw wrong(item.key("limit"), "is missing");
    const key = item.key("limit");
    return [
      { key, file: `hugetlb.${size}.max`, value: String(limit) },
      // Limits also memory that is reserved and not yet used, if the kernel accounts for that.
      { key, file: `hugetlb.${size}.rsvd.max`, value: String(limit), optional: true },
    ];
  });
}

export function rdmaSettings(rdma: Fields | undefined): CgroupSetting[] {
  return (rdma?.names() ?? []).flatMap((device): CgroupSetting[] => {
    const limits = rdma?.object(device);
    // The name becomes a word in a line.
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(device))
      throw wrong(rdma?.where ?? "", `has an invalid device name: ${JSON.stringify(device)}`);
    const words = [
      ["hca_handle", limits?.uint32("hcaHandles")] as const,
      ["hca_object", limits?.uint32("hcaObjects")] as const,
    ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
    if (limits === undefined || words.length === 0) return [];
    return [{ key: limits.where, file: "rdma.max", value: [device, ...words].join(" ") }];
  });
}

/** Each line of a value becomes a setting of its own, since the kernel takes one line per write. */
export function unifiedSettings(resources: Fields): CgroupSetting[] {
  return resources.pairs("unified").flatMap(([file, value]) => {
    const key = `${resources.key("unified")}[${JSON.stringify(file)}]`;
    // The name becomes a path below the cgroup's directory.
    if (file.includes("/")) throw wrong(key, "must be the name of a file, without a slash");
    if (!/^[a-z0-9_]+\.[A-Za-z0-9_.]+$/.test(file)) {
      throw wrong(key, `is not a resource: the specified key has not the form CONTROLLER.VALUE \`${file}\``);
    }
    // Files of cgroup.* control processes and structure, not resources.
    if (file.startsWith("cgroup.")) throw wrong(key, "is not a resource: cgroup is not a controller");
    return value.split("\n").flatMap((line) => (line === "" ? [] : [{ key, file, value: line }]));
  });
}
