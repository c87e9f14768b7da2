/**
 * Renders data in QEMU's option syntax: `name=value` pairs separated by commas, with commas in values doubled. This is
 * the only place that does so.
 */
import { KumiteError } from "../../util/errors.ts";

/** An `undefined` value leaves the property at QEMU's default. Booleans are written `on` and `off`. */
export type Properties = Readonly<Record<string, string | number | boolean | undefined>>;

/** `driver` is the first word of the option, which has no name; some options have none. */
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

/** Parses properties that a person wrote, separated by commas. A name without a value means `on`. */
export function parseProperties(text: string): Properties {
  const parts = text.split(",").filter((part) => part !== "");
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [part, true] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

/** A flag and its option, as two arguments. */
export function option(flag: string, driver: string | undefined, properties: Properties): string[] {
  return [flag, renderOption(driver, properties)];
}
