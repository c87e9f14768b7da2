/** Checks of `Processes`, except for the set-up of a child, which is in spawn.ts. */
import type { ProcessId } from "../os.ts";
import type { ContractCheck } from "../os-contract.ts";
import { printing, shell, textOf } from "./scratch.ts";

const sigterm = 15;
const sigkill = 9;

export const processesContract: readonly ContractCheck[] = [
  {
    name: "a child's exit status or signal is reported",
    async run(os, assert) {
      const exits = await shell(os, "exit 42");
      assert.deepEqual(await exits.exited, { kind: "exited", status: 42 });
      const killed = await shell(os, "kill -KILL $$");
      assert.deepEqual(await killed.exited, { kind: "signalled", signal: sigkill });
    },
  },
  {
    name: "many children at once each have their own status",
    async run(os, assert) {
      const children = await Promise.all(Array.from({ length: 20 }, (_, i) => shell(os, `exit ${i}`)));
      const statuses = await Promise.all(children.map((child) => child.exited));
      assert.deepEqual(
        statuses,
        children.map((_, status) => ({ kind: "exited", status })),
      );
    },
  },
  {
    name: "a child can be killed, which is no error after it has ended",
    async run(os, assert) {
      const child = await shell(os, "exec sleep 1000");
      child.kill(sigterm);
      assert.deepEqual(await child.exited, { kind: "signalled", signal: sigterm });
      child.kill(sigterm);
    },
  },
  {
    name: "a process is identified by pid and start time",
    async run(os, assert) {
      const child = await shell(os, "echo ready; read line", { descriptors: { ...printing, 0: { kind: "stream" } } });
      // Until it prints, its arguments may not be visible yet.
      await child.streams.get(1)?.read();
      const info = await os.processes.info(child.pid);
      assert.equal(info?.startTicks, child.startTicks);
      assert.equal(info?.parentPid, os.self.pid);
      assert.deepEqual(info?.argv, ["sh", "-c", "echo ready; read line", "sh"]);
      const self = await os.processes.info(os.self.pid);
      assert.equal(self?.startTicks, os.self.startTicks);
      child.kill(sigkill);
      await child.exited;
      for (const stream of child.streams.values()) stream.close();
      assert.equal(await os.processes.info(child.pid), undefined);
    },
  },
  {
    name: "a signal reaches only the process it was meant for",
    async run(os, assert) {
      const child = await shell(os, "exec sleep 1000");
      const stale: ProcessId = { pid: child.pid, startTicks: child.startTicks + 1 };
      assert.equal(await os.processes.signal(stale, sigkill), false);
      assert.equal(await os.processes.signal(child, sigterm), true);
      assert.deepEqual(await child.exited, { kind: "signalled", signal: sigterm });
      assert.equal(await os.processes.signal(child, sigterm), false);
    },
  },
  {
    name: "a process that is not a child can be waited for",
    async run(os, assert) {
      // The shell prints the pid of its child, and exits.
      const parent = await shell(os, 'sleep 1000 >/dev/null & echo "$!"', { descriptors: printing });
      const pid = Number(await textOf(parent.streams.get(1)));
      await parent.exited;
      const id = { pid, startTicks: (await os.processes.info(pid))?.startTicks ?? 0 };
      let gone = false;
      const waiting = os.processes.waitGone(id).then(() => {
        gone = true;
      });
      const controller = new AbortController();
      const given = os.processes.waitGone(id, controller.signal);
      controller.abort();
      await assert.rejects(given, { code: "aborted" });
      assert.equal(gone, false);
      assert.equal(await os.processes.signal(id, sigkill), true);
      await waiting;
      await os.processes.waitGone(id);
      await os.processes.waitGone({ pid: os.self.pid, startTicks: os.self.startTicks + 1 });
    },
  },
];
