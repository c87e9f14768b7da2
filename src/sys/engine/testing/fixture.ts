/** A program for tests of how the engine ends or goes on; its first argument chooses what it does. */
import { fork } from "kumite:native";
import { messageOf } from "../../../util/errors.ts";
import { encodeUtf8 } from "../../../util/text.ts";
import { output } from "../../contract/scratch.ts";
import { engineOs } from "../engine-os.ts";
import { atStart, atStartWhileMemoryLasts, onUncaught } from "../loop.ts";
import { startReaper, whenExited } from "../reaper.ts";

const os = engineOs();

async function print(text: string): Promise<void> {
  const stream = os.self.stream(1);
  await stream.write(encodeUtf8(`${text}\n`));
}

/** Acts as the first process of a VM: it must survive orphans, failures and signals. */
async function beInit(): Promise<never> {
  const reported: string[] = [];
  onUncaught((error) => reported.push(messageOf(error)));
  startReaper();
  // Both become orphans, since their shells exit at once.
  await output(os, "(sleep 0.01 & exit 0) & (exit 3 & exit 0) & exit 0");
  void Promise.reject(new Error("nobody caught this"));
  setTimeout(() => {
    throw new Error("nor this");
  }, 0);
  const zombies = async () => Number(await output(os, "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"));
  const children = async () => Number(await output(os, "ls -d /proc/[0-9]* | wc -l"));
  while ((await zombies()) > 0 || (await children()) > 5) await Promise.resolve();
  await print(`${os.self.pid}: ${reported.join(", ")}`);
  return os.self.exit(0);
}

switch (os.self.argv[1]) {
  case "nothing-left":
    await print("done");
    break;
  case "unsettled":
    await new Promise(() => {});
    break;
  case "lost":
    atStart(() => new Promise(() => {}));
    break;
  case "without-memory":
    atStartWhileMemoryLasts(async () => {
      setTimeout(() => {}, 1_000_000);
      try {
        print(`${new Uint8Array(1 << 29).length}`);
      } catch {}
      await new Promise(() => {});
    });
    break;
  case "throws":
    throw new Error("at the top");
  case "throws-later":
    setTimeout(() => {
      throw new Error("in a timer");
    }, 0);
    break;
  case "timer":
    setTimeout(() => void print("after the timer"), 1);
    break;
  case "child":
    await os.processes.spawn({ path: "/bin/true", argv: ["true"], env: {}, descriptors: {} });
    break;
  case "leaves-child": {
    const sleep = { path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {}, parentDeathSignal: 9 };
    const { pid, startTicks } = await os.processes.spawn(sleep);
    await print(JSON.stringify({ pid, startTicks }));
    os.self.exit(0);
    break;
  }
  case "forked-child-returns": {
    startReaper();
    const pid = fork(0);
    if (pid > 0) await print(JSON.stringify(await whenExited(pid)));
    break;
  }
  case "init":
    await beInit();
    break;
  default:
    os.self.exit(64);
}
