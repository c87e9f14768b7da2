/** The error for an invalid value in the specification. */
import { KumiteError } from "../../util/errors.ts";

/** @param what follows the key in the message */
export function wrong(key: string, what: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${key} ${what}`, { data: { key } });
}
