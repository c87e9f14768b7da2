/**
 * A bundle: the directory that an engine prepares, with config.json and usually the root file system. It is read and
 * checked before anything is made, and never written to.
 */
import type { FileStatus, Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { resolvePath } from "../util/path.ts";
import type { OciLinux, OciProcess, OciSpec } from "./spec.ts";
import { readDocument, validateSpec } from "./validate.ts";

/** A specification with the parts that `create` requires beyond being well-formed. */
export interface BundleSpec extends OciSpec {
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  linux: OciLinux;
}

export interface Bundle {
  /** Absolute, without symlinks. */
  readonly path: string;
  /** Path of the configuration, for errors. */
  readonly configFile: string;
  /** Absolute, without symlinks. */
  readonly rootfs: string;
  /** A directory, or a disk with the root file system: a block device or a disk image file. */
  readonly rootfsKind: "directory" | "file" | "block";
  readonly spec: BundleSpec;
}

/**
 * `configFile` is absolute; without it the configuration is the bundle's config.json.
 *
 * @throws KumiteError `oci/bundle-invalid` (the directory, its config.json or root file system cannot be used),
 * `oci/spec-invalid` (the content of config.json); both name file and key
 */
export async function loadBundle(os: Os, path: string, configFile?: string): Promise<Bundle> {
  const directory = await bundleAt(os, path);
  const file = configFile ?? configFileOf(directory);
  return bundleOf(
    os,
    directory,
    await readDocument(os, file, configFile === undefined ? bundleHint : configHint),
    file,
  );
}

/** A bundle whose configuration has been read already. The same checks and errors as `loadBundle`. */
export async function bundleOf(os: Os, path: string, document: unknown, file?: string): Promise<Bundle> {
  const directory = await bundleAt(os, path);
  const configFile = file ?? configFileOf(directory);
  const spec = completeSpec(validateSpec(document, configFile), configFile);
  return { path: directory, configFile, ...(await rootAt(os, resolvePath(directory, spec.root.path))), spec };
}

const bundleHint = "a bundle is a directory with config.json: name one with --bundle, or make one with `kumite spec`";

const configHint = "--config of this verb names the file to use instead of the bundle's config.json";

function configFileOf(directory: string): string {
  return `${directory}/config.json`;
}

async function bundleAt(os: Os, path: string): Promise<string> {
  const { real, kind } = await lookAt(os, path, "bundle", bundleHint);
  if (kind === "directory") return real;
  throw new KumiteError("oci/bundle-invalid", `bundle ${path} is not a directory`, {
    hint: bundleHint,
    data: { path },
  });
}

async function rootAt(os: Os, path: string): Promise<Pick<Bundle, "rootfs" | "rootfsKind">> {
  const { real, kind } = await lookAt(
    os,
    path,
    "root.path",
    "root.path of config.json must name the root file system; a relative path starts at the bundle",
  );
  if (kind === "directory" || kind === "file" || kind === "block") return { rootfs: real, rootfsKind: kind };
  throw new KumiteError("oci/bundle-invalid", `root.path: ${path} is neither a directory nor a disk`, {
    hint: "use a directory, a block device, or a disk image file",
    data: { path },
  });
}

async function lookAt(
  os: Os,
  path: string,
  what: string,
  hint: string,
): Promise<{ readonly real: string; readonly kind: FileStatus["kind"] | undefined }> {
  try {
    const real = await os.files.realPath(path);
    return { real, kind: (await os.files.status(real))?.kind };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError("oci/bundle-invalid", `${what} cannot be used: ${messageOf(error)}`, {
      hint,
      data: { path },
    });
  }
}

/** Rules that the schema cannot express. */
function completeSpec(spec: OciSpec, file: string): BundleSpec {
  const { process, root, linux } = spec;
  if (process === undefined) throw invalid(file, "process", "is missing: there is nothing to run");
  if (root === undefined) throw invalid(file, "root", "is missing");
  if (linux === undefined)
    throw invalid(file, "linux", "is missing (missing Linux section): only Linux containers can run");
  const namespaces = linux.namespaces?.map((namespace) => namespace.type);
  refuseDuplicates(file, "linux.namespaces", namespaces);
  const limits = process.rlimits?.map((limit) => limit.type);
  refuseDuplicates(file, "process.rlimits", limits);
  return Object.assign(spec, { process, root, linux });
}

function refuseDuplicates(file: string, key: string, names: readonly string[] = []): void {
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) throw invalid(file, `${key}[${index}]`, `is a second entry for ${name}`);
  });
}

function invalid(file: string, key: string, what: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${file}: ${key} ${what}`, { data: { file, key } });
}
