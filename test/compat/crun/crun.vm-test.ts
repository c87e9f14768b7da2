/**
 * crun 1.21's own tests with the runtime under test; expected.ts contains their expected results. `KUMITE_CRUN_TESTS`
 * is a regular expression that selects tests by name.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { expectNothingNew, lookAtMachine } from "../../support/left-overs.ts";
import { onlyKumite } from "../../support/workplace.ts";
import { expected, onTerminal } from "./expected.ts";
import { CrunSuite } from "./suite.ts";

const wanted = new RegExp(process.env.KUMITE_CRUN_TESTS ?? "");

describe("crun's tests", onlyKumite, () => {
  const start = lookAtMachine();
  after(() => expectNothingNew(start));

  // Two at once, since each waits for its VMs most of the time.
  it("have the expected results", { concurrency: 2 }, async (t) => {
    const suite = await CrunSuite.open();
    const tests = await suite.list();
    const names = tests.map(({ module, test }) => `${module}/${test}`);
    const unknown = [...expected.keys(), ...onTerminal].filter((name) => !names.includes(name));
    assert.deepEqual(unknown, [], "expectations of tests that crun does not have");

    await Promise.all(
      tests.map((test) => {
        const name = `${test.module}/${test.test}`;
        if (!wanted.test(name)) return t.test(name, { skip: "not asked for" }, () => {});
        const expectation = expected.get(name);
        if (expectation?.outcome === "left out") return t.test(name, { skip: expectation.reason }, () => {});
        return t.test(
          expectation === undefined ? name : `${name} (${expectation.outcome}: ${expectation.reason})`,
          async () => {
            const report = await suite.run(test, { terminal: onTerminal.has(name) });
            assert.equal(report.outcome, expectation?.outcome ?? "passes", report.said);
          },
        );
      }),
    );
  });
});
