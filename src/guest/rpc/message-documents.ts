/**
 * Converts the protocol's messages of specifications to documents. A part of the agent's code that is loaded on demand,
 * see `messageDocument`.
 */
import { LinuxResources, Process, Spec } from "../../protocol/gen/kata/oci.ts";
import { processDocument, resourcesDocument, specDocument } from "../spec/from-messages.ts";

/** Each takes an encoded message, and throws the decoder's error for a malformed one. */
export const documents = {
  spec: (message: Uint8Array): unknown => specDocument(Spec.decode(message)),
  process: (message: Uint8Array): unknown => processDocument(Process.decode(message)),
  resources: (message: Uint8Array): unknown => resourcesDocument(LinuxResources.decode(message)),
} as const;
