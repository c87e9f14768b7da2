/** Compares Kumite's schema of config.json with the runtime specification's own JSON schema. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { changedAt, placesOf } from "../../test/support/json-schema.ts";
import { documents, installed } from "../../test/support/oci-documents.ts";
import { isKumiteError } from "../util/errors.ts";
import { validateProcess, validateSpec } from "./validate.ts";

describe("a configuration that the specification's schema allows", installed, () => {
  it("is accepted", () => {
    fc.assert(
      fc.property(documents(), (document) => {
        validateSpec(structuredClone(document), "config.json");
      }),
      { numRuns: 300 },
    );
  });

  it("is refused with the place when one value has another type", () => {
    const known = /^(ociVersion|hostname|domainname|mounts|hooks|root|annotations|process|linux)$/;
    fc.assert(
      fc.property(documents(), fc.nat(), (document, pick) => {
        const places = placesOf(document).filter(([way]) => known.test(String(way[0])) && !way.includes("commandLine"));
        const [way = [], value] = places[pick % places.length] ?? [];
        const wrong = typeof value === "number" ? "1" : typeof value === "string" ? 1 : "x";
        assert.throws(
          () => validateSpec(changedAt(document, way, wrong), "config.json"),
          (error) => isKumiteError(error, "oci/spec-invalid") && error.message.startsWith("config.json: "),
          `${way.join(".")} = ${JSON.stringify(wrong)}`,
        );
      }),
      { numRuns: 500 },
    );
  });

  it("may have the capabilities as one list, as versions before 1.0.0-rc5 wrote them", () => {
    const process = { cwd: "/", args: ["x"], capabilities: ["CAP_KILL"] };
    const { process: read } = validateSpec({ ociVersion: "1.0.0-rc4", process }, "config.json");
    for (const set of ["bounding", "effective", "inheritable", "ambient", "permitted"] as const) {
      assert.deepEqual(read?.capabilities?.[set], ["CAP_KILL"]);
      const alone = validateProcess({ cwd: "/", args: ["x"], capabilities: ["CAP_KILL"] }, "process.json");
      assert.deepEqual(alone.capabilities?.[set], ["CAP_KILL"], "also the file of exec");
    }
    assert.throws(
      () => validateSpec({ ociVersion: "1.0.0", process: { ...process, capabilities: [1] } }, "config.json"),
      /config.json: process.capabilities.bounding\[0\] is wrong/,
    );
  });

  for (const version of ["1.0.0", "1.0.0-rc4", "1.0.2-dev", "1.1.0+dev", "1.2.1", "1.99.0"]) {
    it(`may be of version ${version}`, () => {
      validateSpec({ ociVersion: version, process: { cwd: "/", args: ["x"] } }, "config.json");
    });
  }
});
