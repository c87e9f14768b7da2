/** Files with one versioned JSON object, such as journal and record. Knows nothing of the other content. */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isRecord, JsonSyntaxError, parseJson } from "../util/json.ts";

const version = 1;
const maxBytes = 4 * 1024 * 1024;

export function serializeVersioned(content: object): string {
  return `${JSON.stringify({ version, ...content })}\n`;
}

/**
 * The object; `undefined` if there is no file.
 * @param phase for the error
 * @throws KumiteError `journal/corrupt` if it is not JSON, not an object, or of another version
 */
export async function readVersioned(os: Os, file: string, phase: string): Promise<Record<string, unknown> | undefined> {
  const document = await readJson(os, file, phase);
  if (document === undefined) return undefined;
  if (!isRecord(document)) throw corruptFile(file, phase, "not an object");
  if (document.version === version) return document;
  throw corruptFile(file, phase, `version ${JSON.stringify(document.version)} is not supported, only ${version}`);
}

async function readJson(os: Os, file: string, phase: string): Promise<unknown> {
  try {
    return parseJson(await os.files.readText(file, maxBytes));
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return undefined;
    if (error instanceof JsonSyntaxError) throw corruptFile(file, phase, error.message);
    throw error;
  }
}

export function corruptFile(file: string, phase: string, what: string): KumiteError {
  return new KumiteError("journal/corrupt", `${file}: ${what}`, {
    phase,
    hint: "kill the processes in the container's cgroups, unmount everything below this directory, and remove it",
    data: { file },
  });
}
