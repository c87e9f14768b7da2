/** `kumite version` and `kumite --version`: what is installed. */
import { ociVersion } from "../../oci/state.ts";
import { readInstall } from "../../shim-client/install.ts";
import type { Os } from "../../sys/os.ts";
import { isKumiteError, isSystemError } from "../../util/errors.ts";

/** Three lines. */
export async function versionText(os: Os): Promise<string> {
  const { version, commit } = await installed(os);
  return `kumite  : ${version}\n   commit   : ${commit}\n   OCI specs: ${ociVersion}\n`;
}

/** If the installation cannot be read, the values are shown as unknown. */
export async function installed(os: Os): Promise<{ version: string; commit: string }> {
  try {
    return await readInstall(os);
  } catch (error) {
    if (!isKumiteError(error) && !isSystemError(error)) throw error;
    return { version: "<<unknown>>", commit: "<<unknown>>" };
  }
}
