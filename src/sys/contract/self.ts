/** Checks of `Self`, the clock and the random generator. */
import type { ContractCheck } from "../os-contract.ts";
import { output } from "./scratch.ts";

export const selfContract: readonly ContractCheck[] = [
  {
    name: "a process knows itself",
    async run(os, assert) {
      assert.equal(await output(os, "echo $PPID"), String(os.self.pid));
      assert.equal(await os.files.readLink("/proc/self/exe"), os.self.executable);
      assert.equal(await os.files.readLink("/proc/self/cwd"), os.self.cwd());
      assert.equal((await os.processes.info(os.self.pid))?.startTicks, os.self.startTicks);
    },
  },
  {
    name: "the clocks agree with the kernel's and never go back",
    async run(os, assert) {
      const outside = Number(await output(os, "date +%s"));
      assert.ok(Math.abs(os.clock.now() / 1000 - outside) < 5);
      const first = os.clock.monotonic();
      assert.ok(os.clock.monotonic() >= first);
    },
  },
  {
    name: "random bytes have the requested length and differ",
    async run(os, assert) {
      assert.equal(os.random(0).length, 0);
      assert.equal(os.random(1000).length, 1000);
      const [one, other] = [os.random(16), os.random(16)];
      assert.ok(one.join() !== other.join());
    },
  },
];
