import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testInstallRoot, testOs } from "../../test/support/node-os.ts";
import { loadConfig } from "../config/load.ts";
import type { OciResources } from "../oci/spec.ts";
import type { StoragePlan } from "../storage/container-storage.ts";
import { cloningOf } from "./cloning.ts";

type Storage = Parameters<typeof cloningOf>[1];

describe("whether a container can have a clone", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "kumite-cloning-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const layers = { kind: "layers", lower: { kind: "shared", directory: "/rootfs" } };
  const image = { kind: "layers", lower: { kind: "image", directory: "/rootfs" } };
  const plan = (rootfs: object, volumes: object[] = [], disks: object[] = []): Storage =>
    ({ rootfs, mounts: { volumes }, volumes: { disks } }) as unknown as StoragePlan;

  interface More {
    readonly annotations?: Record<string, string>;
    readonly resources?: OciResources;
    readonly sharing?: boolean;
  }

  async function decide(
    lines: string,
    storage: Storage,
    { annotations = {}, resources = {}, sharing = true }: More = {},
  ) {
    const file = path.join(directory, "configuration.toml");
    writeFileSync(file, lines);
    const os = testOs();
    const config = await loadConfig(os, { installRoot: testInstallRoot, path: file });
    const container = { id: "web", resources, annotations };
    return cloningOf({ os, config, root: "/run/kumite" }, storage, container, sharing);
  }

  const asked = "[factory]\nenable_template = true\n";

  it("depends on the configuration", async () => {
    assert.equal((await decide("", plan(layers))).kind, "off");
    assert.deepEqual(await decide(asked, plan(layers)), { kind: "possible", shape: "directory", scope: "" });
    assert.deepEqual(await decide(asked, plan(image)), { kind: "possible", shape: "layers", scope: "" });
  });

  it("does not depend on template_scope, which only determines who shares the template", async () => {
    const scoped = (scope: string) => `${asked}template_scope = "${scope}"\n`;
    const annotations = { "io.kubernetes.cri.sandbox-namespace": "blue" };
    const of = async (scope: string) => decide(scoped(scope), plan(layers), { annotations });
    assert.deepEqual(await of("root"), { kind: "possible", shape: "directory", scope: "root /run/kumite" });
    assert.deepEqual(await of("namespace"), { kind: "possible", shape: "directory", scope: "namespace blue" });
  });

  it("is yes with volumes that are files or only read", async () => {
    const volumes = [
      { kind: "file", readonly: false, source: "/file" },
      { kind: "directory", readonly: true, source: "/read" },
    ];
    assert.equal((await decide(asked, plan(layers, volumes))).kind, "possible");
  });

  const pod = { "io.kubernetes.cri.container-type": "sandbox" };
  const fixed = `${asked}[runtime]\nstatic_sandbox_resource_mgmt = true\n`;

  it("includes a VM with disks only, if its size stays the template's and it has no files of the host", async () => {
    const alone = { kind: "possible", shape: "disks", scope: "" };
    assert.deepEqual(await decide(fixed, plan(image), { sharing: false }), alone);
    assert.deepEqual(await decide(fixed, plan(image)), { ...alone, shape: "layers" });
    assert.deepEqual(await decide(asked, plan(image), { sharing: false }), { ...alone, shape: "layers" });
  });

  const machine = (line: string) => `[hypervisor.qemu]\n${line}\n${asked}`;
  const refusals: [what: string, why: RegExp, lines: string, storage: Storage, more?: More][] = [
    ["a root the host has to see", /rootfs_writes is "host"/, asked, plan({ kind: "shared", directory: "/rootfs" })],
    ["a root on a disk", /the root file system is a disk/, asked, plan({ kind: "disk" })],
    ["a lower layer on a disk", /root file system is a disk/, asked, plan({ kind: "layers", lower: { kind: "disk" } })],
    ["a volume that is a disk", /a volume is a disk/, asked, plan(layers, [], [{ id: "data" }])],
    [
      "a directory that is written to",
      /the volume \/data can be written to, which needs virtio-fs/,
      asked,
      plan(layers, [{ kind: "directory", readonly: false, source: "/data" }]),
    ],
    ["a pod", /of the pod/, asked, plan(layers), { annotations: pod }],
    ["huge pages", /enable_hugepages/, machine("enable_hugepages = true"), plan(layers)],
    ["memory that is set aside", /enable_mem_prealloc/, machine("enable_mem_prealloc = true"), plan(layers)],
    ["memory in a file", /file_mem_backend/, machine('file_mem_backend = "/dev/shm"'), plan(layers)],
    ["a board that cannot be saved", /cannot save VMs/, machine('machine_type = "microvm"'), plan(layers)],
    ["a driver without machines", /cannot save VMs/, `${asked}[runtime]\nhypervisor = "process"\n`, plan(layers)],
    [
      "a size that is fixed, and another one than the template's",
      /static_sandbox_resource_mgmt/,
      fixed,
      plan(layers),
      { resources: { memory: { limit: 64 * 1024 * 1024 } } },
    ],
  ];
  for (const [what, why, lines, storage, more] of refusals) {
    it(`is reported on one line for ${what}, which boots`, async () => {
      const cloning = await decide(lines, storage, more);
      assert.equal(cloning.kind, "impossible");
      assert.ok(cloning.kind === "impossible" && !cloning.why.includes("\n"));
      assert.match(cloning.kind === "impossible" ? cloning.why : "", why);
    });
  }
});
