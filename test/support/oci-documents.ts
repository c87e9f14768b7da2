/** Documents that the runtime specification's own JSON schema allows. */
import { existsSync } from "node:fs";
import fc from "fast-check";
import { SchemaFile } from "./json-schema.ts";

const directory = "/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema";
/** For the title of a `describe`. */
export const installed = {
  skip: existsSync(directory) ? false : `${directory} is missing: run \`tools/setup.sh --tests\``,
};

const throttled = [{ major: 8, minor: 0, rate: 1 }];

/** Values where the schema allows more than the specification's text, or any kernel, does. */
const examples = {
  throttleReadBpsDevice: throttled,
  throttleWriteBpsDevice: throttled,
  throttleReadIOPSDevice: throttled,
  throttleWriteIOPSDevice: throttled,
  ociVersion: "1.0.2",
  hostname: "host",
  domainname: "domain",
  // Not the highest value, which the kernel understands as "no change".
  uid: 4294967294,
  gid: 4294967294,
  additionalGids: [0, 4294967294],
  personality: { domain: "LINUX" },
  solaris: undefined,
  windows: undefined,
  vm: undefined,
  zos: undefined,
};

/** Configurations of Linux containers, with any of the schema's keys. */
export function documents(): fc.Arbitrary<Record<string, unknown>> {
  const common = new SchemaFile(directory, "config-schema.json").arbitrary(examples);
  const linux = new SchemaFile(directory, "config-linux.json", "linux").arbitrary(examples);
  return fc.tuple(common, linux).map(([document, section]) => {
    const { solaris: _1, windows: _2, vm: _3, zos: _4, ...rest } = document as Record<string, Record<string, unknown>>;
    const process = { cwd: "/", ...rest.process, args: ["/bin/sh"] };
    return { ...rest, process: { ...process, cwd: "/" }, linux: section } as Record<string, unknown>;
  });
}
