import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatRelayArguments, parseRelayArguments, type RelayOptions } from "./relay-arguments.ts";

const plain: RelayOptions = { socket: "/run/kumite/s/0", id: "web", execId: undefined, stdio: { kind: "streams" } };

describe("the command line of a relay", () => {
  it("is parsed as it was written", () => {
    const all: RelayOptions[] = [
      plain,
      { ...plain, execId: "e1" },
      { ...plain, stdio: { kind: "terminal" } },
      { ...plain, execId: "e1", stdio: { kind: "console-socket", path: "--odd path" } },
      { ...plain, view: { root: "/b/rootfs", readOnly: true, binds: [] } },
      {
        ...plain,
        view: { root: "/b", readOnly: false, binds: [{ source: "/a b", destination: "/c", readOnly: true }] },
      },
    ];
    for (const options of all) assert.deepEqual(parseRelayArguments(formatRelayArguments(options)), options);
  });

  it("shows role and id in the process table", () => {
    assert.equal(formatRelayArguments(plain).join(" "), "kumite-relay --socket /run/kumite/s/0 --id web");
  });

  it("is refused when a word is unknown or missing", () => {
    for (const words of [[], ["--id", "x"], ["--socket", "s", "--id"], ["--socket", "s", "--id", "x", "more"]]) {
      assert.throws(() => parseRelayArguments(["kumite-relay", ...words]), { code: "usage/invalid" }, words.join(" "));
    }
  });
});
