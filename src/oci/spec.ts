/**
 * The shape of an OCI runtime configuration (runtime-spec 1.x, Linux), as one schema that gives both types and checks.
 * Defines what is well-formed, not what Kumite supports (`bundle.ts`) or does. Keys that are not listed are allowed and
 * kept. The schema is built on first use, since verbs that need no bundle import this file.
 */
import * as v from "valibot";
import { isRecord } from "../util/json.ts";
import { encodeUtf8 } from "../util/text.ts";
import { isLongValue } from "./exact-values.ts";

/** JSON numbers are doubles: a value above 2^53 is the nearest double, which is good enough for limits. */
function integer(what: string, min: number, max: number) {
  return v.pipe(
    v.number(),
    v.check((n) => Number.isInteger(n) && n >= min && n <= max, `expected ${what}`),
  );
}
const uint32 = () => integer("an integer from 0 to 4294967295", 0, 0xffff_ffff);
/** To the kernel, 2^32-1 means "leave as it is". A process that asked for it would stay root. */
const userOrGroup = () => integer("an id from 0 to 4294967294", 0, 0xffff_fffe);
const uint64 = () => integer("an integer from 0 to 2^64-1", 0, 2 ** 64);
const int64 = () => integer("an integer of 64 bits", -(2 ** 63), 2 ** 63);

/** Text that reaches the kernel as a C string. */
function text() {
  return v.pipe(
    v.string(),
    v.check((s) => !s.includes("\0"), "must not contain a NUL character"),
  );
}
function nonEmpty() {
  return v.pipe(
    text(),
    v.check((s) => s !== "", "must not be empty"),
  );
}
function absolutePath() {
  return v.pipe(
    nonEmpty(),
    v.check((s) => s.startsWith("/"), "must be an absolute path"),
  );
}
/** valibot accepts an array as an object, so this is checked first. */
function object<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(
    v.custom<v.InferInput<v.ObjectSchema<Entries, undefined>>>(isRecord, "expected an object"),
    v.object(entries),
  );
}
function map() {
  return v.pipe(v.custom<Record<string, string>>(isRecord, "expected an object"), v.record(v.string(), text()));
}
/** The length limit of struct utsname. */
function nameOfKernel() {
  return v.pipe(
    text(),
    v.check((s) => encodeUtf8(s).length <= 64, "is longer than 64 bytes"),
  );
}
const opt = v.exactOptional;
const texts = () => v.array(text());

function idMappingSchema() {
  return object({ containerID: uint32(), hostID: uint32(), size: uint32() });
}

export function processSchema() {
  return object({
    terminal: opt(v.boolean()),
    consoleSize: opt(object({ height: uint32(), width: uint32() })),
    user: opt(
      object({
        uid: opt(userOrGroup()),
        gid: opt(userOrGroup()),
        umask: opt(uint32()),
        additionalGids: opt(v.array(userOrGroup())),
        username: opt(text()),
      }),
    ),
    args: v.pipe(v.tupleWithRest([nonEmpty()], text())),
    env: opt(texts()),
    cwd: absolutePath(),
    capabilities: opt(
      object({
        bounding: opt(texts()),
        effective: opt(texts()),
        inheritable: opt(texts()),
        permitted: opt(texts()),
        ambient: opt(texts()),
      }),
    ),
    rlimits: opt(v.array(object({ type: nonEmpty(), hard: uint64(), soft: uint64() }))),
    noNewPrivileges: opt(v.boolean()),
    apparmorProfile: opt(text()),
    oomScoreAdj: opt(integer("an integer from -1000 to 1000", -1000, 1000)),
    selinuxLabel: opt(text()),
    ioPriority: opt(object({ class: nonEmpty(), priority: opt(integer("an integer from 0 to 7", 0, 7)) })),
    scheduler: opt(schedulerSchema()),
  });
}

function schedulerSchema() {
  return object({
    policy: nonEmpty(),
    nice: opt(integer("an integer from -20 to 19", -20, 19)),
    priority: opt(integer("an integer from 0 to 99", 0, 99)),
    flags: opt(texts()),
    runtime: opt(uint64()),
    deadline: opt(uint64()),
    period: opt(uint64()),
  });
}

function mountSchema() {
  return object({
    // A relative path is resolved from the root. Other runtimes do the same with a warning.
    destination: nonEmpty(),
    type: opt(text()),
    source: opt(text()),
    options: opt(texts()),
    uidMappings: opt(v.array(idMappingSchema())),
    gidMappings: opt(v.array(idMappingSchema())),
  });
}

function hookSchema() {
  const seconds = integer("a number of seconds from 1 to 2147483647", 1, 2 ** 31 - 1);
  return object({ path: absolutePath(), args: opt(texts()), env: opt(texts()), timeout: opt(seconds) });
}

export function hooksSchema() {
  const hooks = () => opt(v.array(hookSchema()));
  return object({
    prestart: hooks(),
    createRuntime: hooks(),
    createContainer: hooks(),
    startContainer: hooks(),
    poststart: hooks(),
    poststop: hooks(),
  });
}

/** Also the document of an update. */
export function resourcesSchema() {
  const weightDevice = object({
    major: int64(),
    minor: int64(),
    weight: opt(uint32()),
    leafWeight: opt(uint32()),
  });
  const throttleDevices = () => opt(v.array(object({ major: int64(), minor: int64(), rate: uint64() })));
  return object({
    devices: opt(
      v.array(
        object({
          allow: v.boolean(),
          type: opt(text()),
          major: opt(int64()),
          minor: opt(int64()),
          access: opt(text()),
        }),
      ),
    ),
    memory: opt(
      object({
        limit: opt(int64()),
        reservation: opt(int64()),
        swap: opt(int64()),
        kernel: opt(int64()),
        kernelTCP: opt(int64()),
        swappiness: opt(uint64()),
        disableOOMKiller: opt(v.boolean()),
        useHierarchy: opt(v.boolean()),
        checkBeforeUpdate: opt(v.boolean()),
      }),
    ),
    cpu: opt(
      object({
        shares: opt(uint64()),
        quota: opt(int64()),
        burst: opt(uint64()),
        period: opt(uint64()),
        realtimeRuntime: opt(int64()),
        realtimePeriod: opt(uint64()),
        cpus: opt(text()),
        mems: opt(text()),
        idle: opt(int64()),
      }),
    ),
    pids: opt(object({ limit: opt(int64()) })),
    blockIO: opt(
      object({
        weight: opt(uint32()),
        leafWeight: opt(uint32()),
        weightDevice: opt(v.array(weightDevice)),
        throttleReadBpsDevice: throttleDevices(),
        throttleWriteBpsDevice: throttleDevices(),
        throttleReadIOPSDevice: throttleDevices(),
        throttleWriteIOPSDevice: throttleDevices(),
      }),
    ),
    hugepageLimits: opt(v.array(object({ pageSize: nonEmpty(), limit: uint64() }))),
    network: opt(
      object({
        classID: opt(uint32()),
        priorities: opt(v.array(object({ name: nonEmpty(), priority: uint32() }))),
      }),
    ),
    rdma: opt(
      v.pipe(
        v.custom<Record<string, { hcaHandles?: number; hcaObjects?: number }>>(isRecord, "expected an object"),
        v.record(v.string(), object({ hcaHandles: opt(uint32()), hcaObjects: opt(uint32()) })),
      ),
    ),
    unified: opt(map()),
  });
}

/** A number longer than a double can hold is a text (`exact-values.ts`). */
function exactUint64() {
  return v.union([uint64(), v.pipe(v.string(), v.check(isLongValue, "expected an integer from 0 to 2^64-1"))]);
}

function seccompSchema() {
  return object({
    defaultAction: nonEmpty(),
    defaultErrnoRet: opt(uint32()),
    architectures: opt(texts()),
    flags: opt(texts()),
    listenerPath: opt(text()),
    listenerMetadata: opt(text()),
    syscalls: opt(
      v.array(
        object({
          names: v.array(nonEmpty()),
          action: nonEmpty(),
          errnoRet: opt(uint32()),
          args: opt(
            v.array(
              object({ index: uint32(), value: opt(exactUint64()), valueTwo: opt(exactUint64()), op: nonEmpty() }),
            ),
          ),
        }),
      ),
    ),
  });
}

function timeOffsetSchema() {
  return object({ secs: opt(int64()), nanosecs: opt(uint32()) });
}

function linuxSchema() {
  return object({
    uidMappings: opt(v.array(idMappingSchema())),
    gidMappings: opt(v.array(idMappingSchema())),
    sysctl: opt(map()),
    resources: opt(resourcesSchema()),
    cgroupsPath: opt(text()),
    namespaces: opt(
      v.array(
        object({
          type: v.picklist(["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]),
          path: opt(text()),
        }),
      ),
    ),
    devices: opt(
      v.array(
        object({
          type: v.picklist(["c", "b", "u", "p"]),
          path: absolutePath(),
          major: opt(int64()),
          minor: opt(int64()),
          fileMode: opt(uint32()),
          uid: opt(userOrGroup()),
          gid: opt(userOrGroup()),
        }),
      ),
    ),
    seccomp: opt(seccompSchema()),
    rootfsPropagation: opt(text()),
    maskedPaths: opt(v.array(absolutePath())),
    readonlyPaths: opt(v.array(absolutePath())),
    mountLabel: opt(text()),
    intelRdt: opt(
      object({
        closID: opt(text()),
        l3CacheSchema: opt(text()),
        memBwSchema: opt(text()),
        enableCMT: opt(v.boolean()),
        enableMBM: opt(v.boolean()),
      }),
    ),
    timeOffsets: opt(object({ monotonic: opt(timeOffsetSchema()), boottime: opt(timeOffsetSchema()) })),
    personality: opt(object({ domain: nonEmpty(), flags: opt(texts()) })),
  });
}

export function specSchema() {
  return object({
    ociVersion: v.pipe(
      v.string(),
      v.check((s) => /^1\.\d+(\.\d+)?([-+].*)?$/.test(s), "is not a 1.x version of the runtime specification"),
    ),
    process: opt(processSchema()),
    root: opt(object({ path: nonEmpty(), readonly: opt(v.boolean()) })),
    hostname: opt(nameOfKernel()),
    domainname: opt(nameOfKernel()),
    mounts: opt(v.array(mountSchema())),
    hooks: opt(hooksSchema()),
    annotations: opt(map()),
    linux: opt(linuxSchema()),
  });
}

/** config.json. */
export type OciSpec = v.InferOutput<ReturnType<typeof specSchema>>;
/** `process` of config.json, and the file of `exec --process`. */
export type OciProcess = v.InferOutput<ReturnType<typeof processSchema>>;
export type OciMount = v.InferOutput<ReturnType<typeof mountSchema>>;
export type OciHook = v.InferOutput<ReturnType<typeof hookSchema>>;
export type OciHooks = v.InferOutput<ReturnType<typeof hooksSchema>>;
export type OciLinux = v.InferOutput<ReturnType<typeof linuxSchema>>;
export type OciResources = v.InferOutput<ReturnType<typeof resourcesSchema>>;
export type OciSeccomp = v.InferOutput<ReturnType<typeof seccompSchema>>;
