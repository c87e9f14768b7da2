/** Lets the annotations of a sandbox change its configuration, before anything is made with it. */
import { concernConfig } from "../config/annotations.ts";
import type { Sandbox } from "./sandbox.ts";

/** @throws KumiteError `config/invalid` naming an annotation that is wrong, not allowed, or asks for what nobody can do */
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
