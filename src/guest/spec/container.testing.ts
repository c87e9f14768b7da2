/** Small configurations for the tests in this folder, and helpers that read them. */
import assert from "node:assert/strict";
import { isKumiteError } from "../../util/errors.ts";
import { readContainer } from "./container.ts";

export type Document = Record<string, unknown>;

export const minimal = (changes: Document = {}, process: Document = {}): Document => ({
  ociVersion: "1.0.2",
  process: { args: ["sh"], cwd: "/", ...process },
  root: { path: "/run/rootfs" },
  ...changes,
});

export const read = (document: unknown) => readContainer(document, "web");

export const refused = (message: RegExp, code: "oci/spec-invalid" | "oci/unsupported" = "oci/spec-invalid") => {
  return (error: unknown) => {
    assert.ok(isKumiteError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  };
};
