/** The protocol's messages of specifications as documents: a part of the agent of its own, see `messageDocument`. */
import { LinuxResources, Process, Spec } from "../../protocol/gen/kata/oci.ts";
import { processDocument, resourcesDocument, specDocument } from "../spec/from-messages.ts";

/** Of encoded messages. Each fails with whatever the decoder throws for what is none. */
export const documents = {
  spec: (message: Uint8Array): unknown => specDocument(Spec.decode(message)),
  process: (message: Uint8Array): unknown => processDocument(Process.decode(message)),
  resources: (message: Uint8Array): unknown => resourcesDocument(LinuxResources.decode(message)),
} as const;
