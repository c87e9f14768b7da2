import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultPipeSizeBytes, readKernelParameters } from "./kernel-parameters.ts";

describe("the agent's kernel parameters", () => {
  it("have defaults, and other words are ignored", () => {
    const parameters = readKernelParameters("quiet console=hvc0 myagent.log=debug root=/dev/vda\n");
    assert.deepEqual(parameters, {
      logLevel: "info",
      containerPipeSizeBytes: defaultPipeSizeBytes,
      debugConsole: undefined,
      ahead: [],
      aheadLayers: undefined,
      warnings: [],
    });
  });

  it("set the log level by the names of all families of agents", () => {
    for (const [word, level] of Object.entries({
      debug: "debug",
      TRACE: "debug",
      warning: "warn",
      critical: "error",
    })) {
      assert.equal(readKernelParameters(`agent.log=${word}`).logLevel, level);
    }
  });

  it("set the capacity of stdio pipes", () => {
    assert.equal(readKernelParameters("agent.container_pipe_size=262144").containerPipeSizeBytes, 262144);
    assert.equal(readKernelParameters("agent.container_pipe_size=0").containerPipeSizeBytes, 0);
  });

  it("turn the debug console on, on the console or on a port", () => {
    const consoleOf = (line: string) => readKernelParameters(line).debugConsole;
    assert.equal(consoleOf("agent.debug_console=0"), undefined);
    assert.deepEqual(consoleOf("agent.debug_console"), { port: undefined });
    assert.deepEqual(consoleOf("agent.debug_console_vport=1026 agent.debug_console"), { port: 1026 });
    for (const wrong of ["1024", "70000", "x", ""]) {
      const { debugConsole, warnings } = readKernelParameters(`agent.debug_console_vport=${wrong}`);
      assert.equal(debugConsole, undefined);
      assert.match(warnings.join(), /is not a debug console port/);
    }
  });

  it("name modules to load early", () => {
    assert.deepEqual(readKernelParameters("agent.ahead=9p,,overlay").ahead, ["9p", "overlay"]);
  });

  it("name disks whose layers are mounted ahead, two or none", () => {
    const layersOf = (value: string) => readKernelParameters(`agent.ahead_layers=${value}`);
    assert.deepEqual(layersOf("serial:a,serial:b").aheadLayers, { lower: "serial:a", upper: "serial:b" });
    for (const wrong of ["", "serial:a", ",serial:b"]) {
      assert.equal(layersOf(wrong).aheadLayers, undefined);
      assert.match(layersOf(wrong).warnings.join(), /is not the names of two disks/);
    }
  });

  it("are reported with a warning and keep their default when they are invalid, unknown or without effect", () => {
    const parameters = readKernelParameters(
      "agent.log=constructor agent.container_pipe_size=-1 agent.container_pipe_size=9999999 agent.nonsense agent.trace",
    );
    assert.equal(parameters.logLevel, "info");
    assert.equal(parameters.containerPipeSizeBytes, defaultPipeSizeBytes);
    assert.equal(parameters.warnings.length, 5);
    assert.match(parameters.warnings.join("\n"), /agent\.log: "constructor" is not a log level/);
    assert.match(parameters.warnings.join("\n"), /agent\.nonsense: unknown/);
    assert.match(parameters.warnings.join("\n"), /agent\.trace: known, but without effect/);
  });
});
