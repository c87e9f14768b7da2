import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AnyInvocation, parseGlobal, parseRequest, type Request } from "./parse.ts";

function request(...words: string[]): Request {
  const { global, verb, rest } = parseGlobal(words);
  return parseRequest(global, verb, rest);
}

function invocation(...words: string[]): AnyInvocation {
  const parsed = request(...words);
  assert.equal(parsed.kind, "invoke");
  return (parsed as Extract<Request, { kind: "invoke" }>).invocation;
}

describe("the command line", () => {
  it("is accepted as podman's monitor writes it", () => {
    const words = "create --bundle /b --pid-file /p --console-socket /tmp/conmon-term.X --no-pivot 0123abc".split(" ");
    const call = invocation("--log-format=json", "--log", "/l", "--systemd-cgroup", ...words);
    assert.equal(call.verb, "create");
    assert.ok(call.verb === "create");
    assert.deepEqual(call.args, ["0123abc"]);
    assert.deepEqual([call.flags.bundle, call.flags["pid-file"]], ["/b", "/p"]);
    assert.equal(call.flags["console-socket"], "/tmp/conmon-term.X");
    const exec = invocation(..."exec --pid-file P --process F --detach --tty --console-socket S id".split(" "));
    assert.ok(exec.verb === "exec" && exec.flags.process === "F" && exec.flags.detach && exec.flags.tty);
  });

  it("is accepted as crun's tests write it", () => {
    const words = "run --preserve-fds 0 --config /c.json --detach id".split(" ");
    const call = invocation("--root", "/r", "--cgroup-manager=cgroupfs", "--systemd-cgroup", ...words);
    assert.ok(call.verb === "run" && call.flags.config === "/c.json" && call.flags.detach);
  });

  it("refuses flags of exec that make no sense in a VM, and says why", () => {
    const refused = (...words: string[]) => {
      assert.throws(() => request("exec", ...words, "id", "ls"), { code: "oci/unsupported", hint: /./ });
    };
    refused("--ignore-paused");
    assert.equal(invocation("exec", "--ignore-paused=false", "id", "ls").verb, "exec");
  });

  it("is accepted as containerd's runc library writes it", () => {
    const { global, verb } = parseGlobal(
      "--root /r --log /b/log.json --log-format json --debug delete --force x".split(" "),
    );
    assert.deepEqual(
      [global.root, global.log, global["log-format"], global.debug],
      ["/r", "/b/log.json", "json", true],
    );
    assert.equal(verb, "delete");
    const kill = invocation("kill", "--all", "x", "9");
    assert.ok(kill.verb === "kill" && kill.flags.all);
    assert.deepEqual(kill.args, ["x", "9"]);
  });

  it("names the place of a flag that is on the wrong side of the verb", () => {
    const hint = "write --timeline after the verb: it is a flag of create, run";
    assert.throws(() => request("--timeline", "run", "x"), { message: "unknown flag --timeline", hint });
    assert.throws(() => request("run", "--root", "/r", "x"), { hint: "write --root before the verb" });
    assert.throws(
      () => request("--nothing", "run", "x"),
      (error: { hint?: string }) => error.hint === undefined,
    );
  });

  it("is accepted with the forms of crun's tests", () => {
    const run = invocation("--cgroup-manager=disabled", "run", "--pid-file=p", "--no-new-keyring", "-d", "x");
    assert.ok(run.verb === "run" && run.flags.detach);
  });

  it("leaves the command of exec unchanged", () => {
    const call = invocation("exec", "-t", "id", "ls", "-t", "--tty", "--help", "--", "-x");
    assert.ok(call.verb === "exec" && call.flags.tty);
    assert.deepEqual([call.args, call.command], [["id"], ["ls", "-t", "--tty", "--help", "--", "-x"]]);
    assert.deepEqual(invocation("exec", "id", "--", "-x").command, ["-x"]);
    assert.deepEqual(invocation("exec", "--", "id", "-x").command, ["-x"]);
  });

  it("has several ids where a verb allows them", () => {
    assert.deepEqual(invocation("delete", "a", "-f", "b").args, ["a", "b"]);
    assert.deepEqual(invocation("start", "a", "b", "c").args, ["a", "b", "c"]);
  });

  it("asks for help or the version in every usual way", () => {
    for (const words of [["help"], ["--help"], ["-h"]]) {
      assert.deepEqual(request(...words), { kind: "help", verb: undefined }, words.join(" "));
    }
    for (const words of [
      ["help", "create"],
      ["create", "--help"],
      ["create", "-h", "id"],
      ["--help", "create"],
    ]) {
      assert.deepEqual(request(...words), { kind: "help", verb: "create" }, words.join(" "));
    }
    for (const words of [["--version"], ["-v"], ["-version"]]) assert.equal(request(...words).kind, "version");
    assert.equal(request("version").kind, "version");
  });

  it("is refused with the verb, what is wrong and what to do", () => {
    const refusals: [words: string[], message: RegExp, hint: RegExp][] = [
      [[], /^no verb was given$/, /kumite help/],
      [["creat", "x"], /^unknown verb "creat"$/, /`kumite create`/],
      [["frobnicate"], /^unknown verb "frobnicate"$/, /kumite help/],
      [["toString"], /^unknown verb "toString"$/, /kumite help/],
      [["help", "crate"], /^help: unknown verb "crate"$/, /`kumite create`/],
      [["create"], /^create: argument ID is missing$/, /kumite create --help/],
      [["create", "a", "b"], /^create: unexpected argument "b"$/, /kumite create --help/],
      [["kill", "a", "9", "b"], /^kill: unexpected argument "b"$/, /kumite kill --help/],
      [["create", "--bundel", "x", "a"], /^create: unknown flag --bundel$/, /--bundle/],
      [["create", "a", "--root", "/r"], /^create: unknown flag --root$/, /before the verb/],
      [["create", "--pid-file"], /^create: flag --pid-file needs a value$/, /--pid-file FILE/],
      [["--rot", "/r", "list"], /^unknown flag --rot$/, /--root/],
      [["--log-format", "xml", "list"], /^--log-format: unknown value "xml"$/, /text, json/],
    ];
    for (const [words, message, hint] of refusals) {
      assert.throws(() => request(...words), { code: "usage/invalid", message, hint }, words.join(" "));
    }
  });
});
