/** What templates and cache exclude, in each era: old and new rules in one table. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mappedImage } from "../../test/support/mapped-image.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import type { ConfigEra } from "./key.ts";
import { loadConfig } from "./load.ts";

const installRoot = "/opt/kumite";
const plainOs = nodeOs({ installRoot });
const eras: readonly ConfigEra[] = ["1.0", "1.4", "1.6", "3.x"];

/** Any existing file can stand for the vsock device. */
const hostWith = (vsock: boolean): Os => ({
  ...plainOs,
  files: {
    ...plainOs.files,
    status: (path) =>
      path !== "/dev/vhost-vsock" ? plainOs.files.status(path) : vsock ? plainOs.files.status("/dev/null") : nothing,
  },
});
const nothing = Promise.resolve(undefined);

interface Row {
  readonly what: string;
  /** Content of the hypervisor's table; default: an initrd. */
  readonly machine?: (directory: string) => string;
  /** The hypervisor; default: qemu. */
  readonly table?: string;
  readonly factory: string;
  readonly more?: string;
  /** Whether the host has vsock; default: yes. */
  readonly vsock?: boolean;
  /** The expected error; default: none. */
  readonly told?: RegExp;
  /** The eras in which the error occurs. */
  readonly eras?: readonly ConfigEra[];
}

const initrd = (directory: string): string => `initrd = "${directory}/initrd"\n`;
const image = (directory: string): string => `image = "${directory}/image"\n`;
const withVsock = (directory: string): string => `${initrd(directory)}use_vsock = true\n`;
const both = "enable_template = true\nvm_cache_number = 2\n";

const rows: readonly Row[] = [
  {
    what: "a template and a cache",
    factory: both,
    told: /factory\.enable_template: VM factory cannot work together with VM cache$/,
    eras: ["1.6"],
  },
  {
    what: "a template without an initrd",
    machine: image,
    factory: "enable_template = true\n",
    told: /factory\.enable_template: Factory option enable_template requires an initrd image$/,
    eras: ["1.4", "1.6"],
  },
  {
    what: "a template and vsock",
    machine: withVsock,
    factory: "enable_template = true\n",
    told: /factory\.enable_template: config vsock conflicts with factory, please disable one of them$/,
    eras: ["1.4", "1.6"],
  },
  {
    what: "a template and vsock that the host does not have",
    machine: withVsock,
    factory: "enable_template = true\n",
    vsock: false,
  },
  {
    what: "a cache and another hypervisor",
    table: "clh",
    machine: image,
    factory: "vm_cache_number = 2\n",
    told: /factory\.vm_cache_number: VM cache just support qemu$/,
    eras: ["1.4", "1.6", "3.x"],
  },
  {
    what: "a cache and no machines at all",
    factory: "vm_cache_number = 2\n",
    more: 'hypervisor = "process"\n',
    told: /factory\.vm_cache_number: VM cache just support qemu$/,
    eras: ["1.4", "1.6", "3.x"],
  },
  {
    what: "a cache and another agent",
    factory: "vm_cache_number = 2\n[agent.hyperstart]\n",
    told: /factory\.vm_cache_number: VM cache just support kata agent$/,
    eras: ["1.4", "1.6"],
  },
  {
    what: "a cache and vsock",
    machine: withVsock,
    factory: "vm_cache_number = 2\n",
    told: /factory\.vm_cache_number: config vsock conflicts with VM cache, please disable one of them$/,
    eras: ["1.6"],
  },
  {
    what: "a cache and vsock that the host does not have",
    machine: withVsock,
    factory: "vm_cache_number = 2\n",
    vsock: false,
  },
  { what: "a cache without an initrd", machine: image, factory: "vm_cache_number = 2\n" },
  { what: "a template alone", factory: "enable_template = true\n" },
  { what: "a cache alone", factory: "vm_cache_number = 2\n" },
  { what: "no cache and another hypervisor", table: "clh", machine: image, factory: "vm_cache_number = 0\n" },
  // With "auto", a sandbox that cannot use a template boots, and the shim reports why.
  {
    what: 'a template that is "auto", with all that excludes others',
    machine: (directory) => `${image(directory)}use_vsock = true\n`,
    factory: 'enable_template = "auto"\n',
  },
];

describe("what template and cache exclude", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-conflicts-"));
    for (const name of ["initrd", "image"]) writeFileSync(join(directory, name), mappedImage);
  });
  after(() => rmSync(directory, { recursive: true }));

  async function toldOf(row: Row, era: ConfigEra): Promise<string> {
    const { machine = initrd, table = "qemu", factory, more = "", vsock = true } = row;
    const path = join(directory, "configuration.toml");
    const head = `[hypervisor.${table}]\n${machine(directory)}[runtime]\nconfig_era = "${era}"\n${more}`;
    writeFileSync(path, `${head}[factory]\n${factory}`);
    try {
      await loadConfig(hostWith(vsock), { installRoot, path });
      return "";
    } catch (error) {
      assert.ok(isKumiteError(error, "config/invalid"), String(error));
      return error.message;
    }
  }

  for (const row of rows) {
    it(`holds for ${row.what}: ${row.eras?.join(", ") ?? "never"}`, async () => {
      for (const era of eras) {
        const told = await toldOf(row, era);
        if (row.eras?.includes(era)) assert.match(told, row.told ?? /./, `era ${era}`);
        else assert.equal(told, "", `era ${era}`);
      }
    });
  }

  it("is reported in the order of release 1.6 when there are several conflicts", async () => {
    const all = { what: "", machine: withVsock, factory: `${both}[agent.hyperstart]\n` };
    assert.match(await toldOf(all, "1.6"), /VM factory cannot work together with VM cache$/);
    const cache = { ...all, factory: "vm_cache_number = 2\n[agent.hyperstart]\n" };
    assert.match(await toldOf(cache, "1.6"), /VM cache just support kata agent$/);
    const noInitrd = (path: string) => `${image(path)}use_vsock = true\n`;
    const template = { ...all, machine: noInitrd, factory: "enable_template = true\n" };
    assert.match(await toldOf(template, "1.6"), /requires an initrd image$/);
  });

  it("does not include in 3.x what only release 1.6 excluded", async () => {
    const all = { what: "", machine: (path: string) => `${image(path)}use_vsock = true\n`, factory: both };
    assert.equal(await toldOf(all, "3.x"), "");
  });
});
