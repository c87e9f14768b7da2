import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KumiteError, SystemError } from "../../util/errors.ts";
import { errorFields, errorLine, errorParagraph } from "./error-text.ts";

const vmError = new KumiteError("hypervisor/start-failed", "sandbox web: qemu exited with status 1", {
  phase: "hypervisor.start",
  hint: "run `kumite check` to see which accelerators work here",
  data: { console: [], elapsedMs: 312.4 },
  cause: new SystemError("EACCES", "open", "/dev/kvm"),
});

describe("a failure", () => {
  it("is shown as what, why, the console and what to try", () => {
    assert.equal(
      errorParagraph(vmError),
      `kumite: sandbox web: qemu exited with status 1 (hypervisor.start, 312 ms)
  because: open /dev/kvm: permission denied
  console: (nothing was printed)
  try: run \`kumite check\` to see which accelerators work here
`,
    );
  });

  it("is logged on one line with the same facts", () => {
    assert.equal(
      errorLine(vmError),
      "sandbox web: qemu exited with status 1: open /dev/kvm: permission denied; " +
        "try: run `kumite check` to see which accelerators work here",
    );
    assert.deepEqual(errorFields(vmError), { code: "hypervisor/start-failed", phase: "hypervisor.start" });
  });

  it("shows the console and the hint of whichever error in the chain has them", () => {
    const inner = new KumiteError("agent/timeout", "the agent does not answer", {
      hint: "look at the console",
      data: { console: ["booting", "Kernel panic"] },
    });
    const outer = new KumiteError("shim/start-failed", "container web was not created", { cause: inner });
    assert.equal(
      errorParagraph(outer),
      `kumite: container web was not created
  because: the agent does not answer
  console: booting
           Kernel panic
  try: look at the console
`,
    );
    assert.match(errorLine(outer), /; console: booting \| Kernel panic; try: /);
  });

  it("says only once what is repeated", () => {
    const cause = new SystemError("ENOENT", "open", "/x");
    const error = new KumiteError("storage/failed", `cannot read it: ${cause.message}`, { cause });
    assert.equal(errorParagraph(error), "kumite: cannot read it: open /x: no such file or directory\n");
  });

  it("contains no text of a guest that controls the reader's terminal", () => {
    const error = new KumiteError("agent/failed", "bad \u001b[2Jname\u0007", {
      data: { console: ["\u001b]0;title\u0007text\r\nmore"] },
    });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
    assert.doesNotMatch(errorParagraph(error), /[\u0000-\u0009\u000b-\u001f]/);
    assert.match(errorParagraph(error), /console: text more/);
  });

  it("of the program itself is called an internal error", () => {
    assert.match(
      errorParagraph(new TypeError("x is undefined")),
      /^kumite: x is undefined \(internal error\)\n {2}try: /,
    );
    assert.deepEqual(errorFields(new TypeError("x")), { code: "internal" });
    assert.equal(errorParagraph(new SystemError("EPIPE", "write")), "kumite: write: broken pipe\n");
  });

  it("with a cycle of causes ends", () => {
    const error = new Error("round");
    error.cause = new Error("and", { cause: error });
    assert.ok(errorParagraph(error).length < 1000);
  });
});
