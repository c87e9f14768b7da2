/** Applies the annotations of a sandbox to its configuration, before anything is made with that configuration. */
import { concernConfig } from "../config/annotations.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * @throws KumiteError `config/invalid` naming an annotation that is malformed, not allowed, or asks for something
 *   unsupported
 */
export async function applyAnnotations(
  sandbox: Sandbox,
  annotations: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { host } = sandbox;
  if (host.configFor === undefined || !concernConfig(annotations)) return;
  const config = await host.configFor(annotations);
  const known = new Set(host.config.notices);
  for (const notice of config.notices) {
    if (!known.has(notice)) host.log.warn(notice);
  }
  sandbox.host = { ...host, config };
}
