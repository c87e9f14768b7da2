/** Checks that a hand-written list of calls matches the generated service of which it is a part. */
import assert from "node:assert/strict";
import type { ServiceDefinition } from "./service.ts";

export function assertPartOf(part: ServiceDefinition, generated: ServiceDefinition): void {
  assert.equal(part.fullName, generated.fullName);
  for (const [key, { name, requestType, responseType }] of Object.entries(part.methods)) {
    const whole = generated.methods[key];
    assert.equal(name, whole?.name);
    assert.equal(requestType, whole?.requestType, name);
    assert.equal(responseType, whole?.responseType, name);
  }
}
