import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatTable } from "./table.ts";

describe("a table", () => {
  it("looks like runc's", () => {
    const header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    const row = ["c1", "9007", "created", "/tmp/rc/b", "2026-11-21T00:52:00.316240116Z", "root"];
    assert.equal(
      formatTable([header, row]),
      "ID          PID         STATUS      BUNDLE      CREATED                          OWNER\n" +
        "c1          9007        created     /tmp/rc/b   2026-11-21T00:52:00.316240116Z   root\n",
    );
    assert.equal(formatTable([header]), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  });
});
