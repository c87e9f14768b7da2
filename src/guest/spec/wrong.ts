/** What is said of a value of the specification that cannot be taken. */
import { KumiteError } from "../../util/errors.ts";

/** @param what follows the key in the message. */
export function wrong(key: string, what: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${key} ${what}`, { data: { key } });
}
