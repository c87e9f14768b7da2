/**
 * The import rules of src/, as data: a folder may import itself and what its row names, and nothing else of src/.
 * Reading order is top to bottom. Tests may import everything.
 */

/** What every folder may import. */
const common = ["util/", "sys/os\\.ts$"];
const hypervisorTypes = "hypervisor/(spec|driver|plug)\\.ts$";
const ociTypes = "oci/";

/** Folder (or file) of src/ → what it may import, as the beginning of a path below src/. */
const arrows = {
  "index.ts": ["library/", "sandbox/saving"],
  "library/": [
    "sandbox/",
    "factory/(keeper|machine-key)",
    "storage/(copy-file|host-tool)",
    "persist/ring-file",
    "config/",
    "oci/",
  ],
  "cli/": [
    "shim-client/",
    "sandbox/(ahead|observe|prepare|recover|explain-sizing|machine-size|static-sizing)",
    "factory/",
    "vm/judge-kvm",
    "cgroups/hierarchies",
    "config/",
    "persist/",
    "oci/",
    "seccomp/actions",
  ],
  "shim/": [
    "sandbox/",
    "factory/cache/",
    "cgroups/move",
    "protocol/",
    "persist/",
    "config/",
    "oci/",
    "shim-client/(stdio-hello|boot-message)",
  ],
  "sandbox/": [
    "vm/",
    "factory/",
    "storage/",
    "cgroups/",
    "oci/",
    "config/",
    "persist/",
    "agent-client/",
    "seccomp/",
    hypervisorTypes,
  ],
  "factory/": [
    "vm/",
    "config/",
    "persist/",
    "cgroups/hierarchies",
    "storage/(copy-file|disk-names|guest-paths|host-tool|rootfs/(image-(cache|root)|upper-disk))",
    "agent-client/agent-session",
    "shim-client/(install|shim-command|boot-message)",
    "protocol/gen/",
    hypervisorTypes,
  ],
  "vm/": ["hypervisor/", "agent-client/", "config/"],
  "hypervisor/": ["config/", "cgroups/", "persist/"],
  "agent-client/": ["protocol/", "seccomp/", "guest/(spec|steps)/", "guest/cgroup/device-program", ociTypes],
  "shim-client/": ["protocol/", ociTypes],
  "relay/": ["shim-client/", "protocol/", ociTypes, "sys/engine/", "sys/linux/"],
  "guest/": ["protocol/", "seccomp/", ociTypes, "sys/engine/", "sys/linux/"],
  "storage/": ["oci/", "config/", "persist/", "guest/storage/layers", hypervisorTypes],
  "cgroups/": ["oci/", "config/", "persist/", hypervisorTypes],
  "persist/": [],
  "seccomp/": [],
  "config/": [],
  "oci/": [],
  "protocol/": [],
  "sys/": ["sys/"],
  "util/": [],
};

/** Files that choose an implementation of the operating-system interface. */
const choosers = "^src/index\\.ts$|^src/.*/main\\.ts$";
const tests = "\\.(test|vm-test|engine-test)\\.ts$|/[a-z-]+-suite\\.ts$|\\.testing\\.ts$";
/** Run by Node alone. */
const nodeOnly = "^src/(sys/node|factory/grpc)/|^src/shim/main\\.ts$";

function own(folder) {
  return folder.endsWith("/") ? `^src/${folder}` : `^src/${folder.replace(".", "\\.")}$`;
}

const arrowRules = Object.entries(arrows).map(([folder, allowed]) => ({
  name: `arrow-${folder.replace(/\W+$/, "")}`,
  comment: `${folder} may import ${["itself", ...common, ...allowed].join(", ")}`,
  severity: "error",
  from: { path: own(folder), pathNot: `${tests}|${choosers}` },
  to: { path: "^src/", pathNot: [own(folder), ...[...common, ...allowed].map((path) => `^src/${path}`)] },
}));

/** A main.ts may choose an implementation besides what its folder may import. */
const mainRules = Object.entries(arrows).map(([folder, allowed]) => ({
  name: `main-${folder.replace(/\W+$/, "")}`,
  comment: `${folder}main.ts may also import an implementation of sys`,
  severity: "error",
  from: { path: folder.endsWith("/") ? `^src/${folder}.*\\bmain\\.ts$` : own(folder) },
  to: { path: "^src/", pathNot: [own(folder), ...[...common, ...allowed, "sys/"].map((path) => `^src/${path}`)] },
}));

module.exports = {
  forbidden: [
    ...arrowRules,
    ...mainRules,
    {
      name: "known-folder",
      comment: "every folder of src/ has a row in the table of arrows",
      severity: "error",
      from: { path: "^src/", pathNot: Object.keys(arrows).map(own) },
      to: {},
    },
    {
      name: "implementation-of-sys",
      comment: "only main.ts files, index.ts and tests choose an implementation of sys (guest and relay have one each)",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/sys/|^src/(guest|relay)/|${choosers}|${tests}` },
      to: { path: "^src/sys/", pathNot: "^src/sys/os\\.ts$" },
    },
    {
      name: "node-modules",
      comment: "portable code uses the Os interface; only its Node implementation and code for Node alone import node:",
      severity: "error",
      from: { path: "^src/", pathNot: `${nodeOnly}|${tests}` },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "engine-modules",
      comment:
        "the small engine's C host is called by its typed wrappers, and by two programs that consist of little else",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/sys/(engine|linux|launch|send)/" },
      to: { path: "^kumite:" },
    },
    {
      name: "no-tools",
      comment: "the product never imports its tools, tests or benchmarks",
      severity: "error",
      from: { path: "^src/", pathNot: tests },
      to: { path: "^(tools|test|bench|guest-image)/" },
    },
    {
      name: "no-test-code",
      comment: "only tests import test code",
      severity: "error",
      from: { path: "^src/", pathNot: tests },
      to: { path: tests },
    },
    {
      name: "declared-packages",
      comment: "the product uses only packages of `dependencies`",
      severity: "error",
      from: { path: "^src/", pathNot: tests },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "no-cycle",
      comment: "no circular imports; types may refer to each other, as they do not exist at run time",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "resolvable",
      comment: "every import can be resolved",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: "^kumite:" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
