/**
 * The one place that turns data into QEMU's option syntax: `name=value` pairs separated by commas, a comma inside a
 * value doubled.
 */
import { KumiteError } from "../../util/errors.ts";

/** A value that is `undefined` leaves the property to QEMU's default. Booleans are written `on` and `off`. */
export type Properties = Readonly<Record<string, string | number | boolean | undefined>>;

/** `driver` is the first word of the option, which needs no name; none for options without one. */
export function renderOption(driver: string | undefined, properties: Properties): string {
  const words = driver === undefined ? [] : [escapeValue(driver)];
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) words.push(`${name}=${renderValue(value)}`);
  }
  return words.join(",");
}

function renderValue(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return escapeValue(String(value));
}

function escapeValue(value: string): string {
  if (value.includes("\0")) throw new KumiteError("internal", "a NUL character cannot be part of a command line");
  return value.replaceAll(",", ",,");
}

/** What a person wrote as properties separated by commas; a name without a value is one that is on. */
export function parseProperties(text: string): Properties {
  const parts = text.split(",").filter((part) => part !== "");
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [part, true] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

/** A flag and its option, as two words of a command line. */
export function option(flag: string, driver: string | undefined, properties: Properties): string[] {
  return [flag, renderOption(driver, properties)];
}
