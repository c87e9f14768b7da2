/**
 * Loads kernel modules from the image when they are first needed. Since a kernel may have a driver built in, a name
 * that the image lacks is not an error.
 */
import { unlink } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { loadModule, loadOpenModule, uname } from "../../sys/linux/machine.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { statIfExists } from "../../sys/linux/stat.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { type ModuleEntry, type ModuleIndex, moduleIndexPath } from "./index-format.ts";

/** Loads a module and what it needs; does nothing if the name is unknown or the module is loaded already. */
export interface ModuleLoader {
  need(name: string): void;
  /**
   * Loads a module that the configuration names, with parameters as for modprobe(8). A module that is loaded already or
   * built in stays as it is.
   * @throws KumiteError `agent/failed` for a module that does not exist
   * @throws SystemError
   */
  load(name: string, parameters: readonly string[]): void;
}

/** For agents without a kernel of their own, and for kernels with everything built in. */
export const noModules: ModuleLoader = { need: () => {}, load: (name) => requireLoaded(kernelName(name)) };

const maxIndexBytes = 4 * 1024 * 1024;

export class IndexedModules implements ModuleLoader {
  readonly #index: ModuleIndex;
  readonly #loaded = new Set<string>();
  /** Open descriptors of module files, whose names have been removed. */
  readonly #taken = new Map<string, number>();

  constructor(index: ModuleIndex) {
    this.#index = index;
  }

  /**
   * `undefined` without an index.
   * @throws KumiteError `install/incomplete` for an index that is not for this kernel
   */
  static fromImage(): IndexedModules | undefined {
    if (statIfExists(moduleIndexPath) === undefined) return undefined;
    const index = parseJson(readFileText(moduleIndexPath, maxIndexBytes));
    if (!isIndex(index)) throw incomplete("is not a module index of version 1");
    const { release } = uname();
    if (index.release !== release) throw incomplete(`is for kernel ${index.release}, but ${release} is running`);
    return new IndexedModules(index);
  }

  /** Loads what reaching the host takes. */
  loadEarly(): void {
    for (const name of this.#index.early) this.need(name);
  }

  /** Opens all module files and removes their names, so that no container can find or change them. */
  takeFiles(): void {
    for (const [name, { file }] of Object.entries(this.#index.modules)) {
      if (!this.#loaded.has(name)) this.#taken.set(name, open(file, O_RDONLY | O_CLOEXEC));
      unlink(file);
    }
    unlink(moduleIndexPath);
  }

  need(name: string): void {
    if (this.#loaded.has(name)) return;
    this.#loaded.add(name);
    const entry = Object.hasOwn(this.#index.modules, name) ? this.#index.modules[name] : undefined;
    if (entry === undefined) return;
    for (const needed of entry.needs) this.need(needed);
    this.#load(name, entry);
  }

  load(text: string, parameters: readonly string[]): void {
    const name = kernelName(text);
    const entry = Object.hasOwn(this.#index.modules, name) ? this.#index.modules[name] : undefined;
    if (entry === undefined) requireLoaded(name);
    if (entry === undefined || this.#loaded.has(name)) return;
    this.#loaded.add(name);
    for (const needed of entry.needs) this.need(needed);
    this.#load(name, entry, parameters.join(" "));
  }

  #load(name: string, { file }: ModuleEntry, parameters = ""): void {
    const taken = this.#taken.get(name);
    try {
      if (taken === undefined) loadModule(file, parameters);
      else loadOpenModule(taken, file, parameters);
    } catch (error) {
      if (!isSystemError(error, "EEXIST")) throw error;
    }
    if (taken === undefined) return;
    this.#taken.delete(name);
    closeQuietly(taken);
  }
}

/** The name as in /proc/modules; people write dashes, too. */
function kernelName(name: string): string {
  return name.replaceAll("-", "_");
}

function requireLoaded(name: string): void {
  if (!name.includes("/") && name !== "" && statIfExists(`/sys/module/${name}`) !== undefined) return;
  throw new KumiteError("agent/failed", `the guest has no kernel module ${JSON.stringify(name)}`, {
    hint: "correct kernel_modules in [agent.kata], or use a guest image that has the module",
  });
}

/** The image is trusted and was built with its index, so this checks the format but not every entry. */
function isIndex(value: unknown): value is ModuleIndex {
  return (
    isRecord(value) &&
    value.version === 1 &&
    typeof value.release === "string" &&
    Array.isArray(value.early) &&
    isRecord(value.modules)
  );
}

function incomplete(what: string): KumiteError {
  return new KumiteError("install/incomplete", `${moduleIndexPath} ${what}`, {
    hint: "rebuild the guest image for the kernel that it boots with",
  });
}
