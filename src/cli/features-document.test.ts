import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import * as v from "valibot";
import { readContainer } from "../guest/spec/container.ts";
import { ociVersion } from "../oci/state.ts";
import { isKumiteError } from "../util/errors.ts";
import { featuresDocument } from "./features-document.ts";

const texts = v.array(v.string());
const enabled = v.strictObject({ enabled: v.boolean() });
const version = v.pipe(v.string(), v.regex(/^\d+\.\d+\.\d+/));

/** features.md and features-linux.md of the runtime specification. A key that is not in them is refused. */
const schema = v.strictObject({
  ociVersionMin: version,
  ociVersionMax: version,
  hooks: v.array(
    v.picklist(["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]),
  ),
  mountOptions: texts,
  linux: v.strictObject({
    namespaces: v.array(v.picklist(["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"])),
    capabilities: v.array(v.pipe(v.string(), v.regex(/^CAP_[A-Z_]+$/))),
    cgroup: v.strictObject({
      v1: v.boolean(),
      v2: v.boolean(),
      systemd: v.boolean(),
      systemdUser: v.boolean(),
      rdma: v.boolean(),
    }),
    seccomp: v.strictObject({
      enabled: v.boolean(),
      actions: v.optional(v.array(v.pipe(v.string(), v.regex(/^SCMP_ACT_[A-Z_]+$/)))),
      operators: v.optional(v.array(v.pipe(v.string(), v.regex(/^SCMP_CMP_[A-Z_]+$/)))),
      archs: v.optional(v.array(v.pipe(v.string(), v.regex(/^SCMP_ARCH_[A-Z0-9_]+$/)))),
      knownFlags: v.optional(v.array(v.pipe(v.string(), v.regex(/^SECCOMP_FILTER_FLAG_[A-Z_]+$/)))),
      supportedFlags: v.optional(v.array(v.pipe(v.string(), v.regex(/^SECCOMP_FILTER_FLAG_[A-Z_]+$/)))),
    }),
    apparmor: enabled,
    selinux: enabled,
    intelRdt: enabled,
    mountExtensions: v.strictObject({ idmap: enabled }),
    netDevices: enabled,
  }),
  annotations: v.record(v.string(), v.string()),
  potentiallyUnsafeConfigAnnotations: texts,
});

describe("the features document", () => {
  const document = featuresDocument({ version: "1.2.3", commit: "abc" }) as v.InferOutput<typeof schema>;

  it("has the form that the runtime specification defines", () => {
    v.parse(schema, document);
  });

  it("contains no duplicates", () => {
    const { hooks, mountOptions, linux } = document;
    const { potentiallyUnsafeConfigAnnotations: unsafe } = document;
    for (const list of [hooks, unsafe, mountOptions, linux.namespaces, linux.capabilities]) {
      assert.equal(new Set(list).size, list.length);
    }
  });

  it("names the versions of what it describes", () => {
    assert.equal(document.ociVersionMax, ociVersion);
    assert.deepEqual(document.annotations, { "io.kumite.version": "1.2.3", "io.kumite.commit": "abc" });
  });

  it("lists exactly the namespaces that the guest creates", () => {
    const made = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"].filter((type) => {
      const document = { ociVersion: "1.1.0", process: { args: ["sh"], cwd: "/" }, root: { path: "/r" } };
      try {
        // Some kinds of namespaces are accepted only together with others.
        const namespaces = [...new Set(["mount", "pid", type])].map((each) => ({ type: each }));
        const ids = [{ containerID: 0, hostID: 0, size: 1 }];
        const mappings = type === "user" ? { uidMappings: ids, gidMappings: ids } : {};
        readContainer({ ...document, linux: { namespaces, ...mappings } }, "web");
        return true;
      } catch (error) {
        assert.ok(isKumiteError(error, "oci/unsupported"), String(error));
        return false;
      }
    });
    assert.deepEqual([...document.linux.namespaces].sort(), made.sort());
  });

  it("lists every annotation that the source reads, by its name or by a prefix that ends in a dot", async () => {
    const source = new URL("../", import.meta.url);
    const files = await readdir(source, { recursive: true });
    const texts = await Promise.all(
      files
        .filter((file) => file.endsWith(".ts") && !/[.-]test(ing)?\.ts$/.test(file))
        .map((file) => readFile(new URL(file, source), "utf8")),
    );
    const asked = texts.flatMap((text) => [...text.matchAll(/"(io\.(?:kata|kube|kumite)[\w./-]*)"/g)]);
    const names = asked.map(([, name = ""]) => name).filter((name) => !/^io\.kumite\.(version|commit)$/.test(name));
    const { potentiallyUnsafeConfigAnnotations: listed } = document;
    // A name in the source that ends in "-" is a prefix of the names that are built from it.
    const covers = (name: string) => (one: string) =>
      one === name || (one.endsWith(".") && name.startsWith(one)) || (name.endsWith("-") && one.startsWith(name));
    assert.deepEqual(
      names.filter((name) => !listed.some(covers(name))),
      [],
    );
    assert.ok(names.length >= 10, names.join());
  });

  it("lists mount options that the guest applies, and none that it refuses", () => {
    const { mountOptions } = document;
    for (const word of ["ro", "rro", "rbind", "rprivate", "nosymfollow", "sync", "defaults", "copy-symlink"]) {
      assert.ok(mountOptions.includes(word), word);
    }
    for (const word of ["idmap", "ridmap"]) assert.ok(!mountOptions.includes(word), word);
  });
});
