/** What is wrong with a specification that is converted, in the words of Kata Containers. */
import { KumiteError } from "../../util/errors.ts";

export function invalid(message: string, key: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${key}: ${message}`, {
    phase: "bundle.load",
    hint: "`kumite spec` writes a correct config.json to compare with",
    data: { key },
  });
}
