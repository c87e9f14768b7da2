/**
 * From the command until the guest can use what was plugged in: vCPU, memory module, virtio-mem, disk and network
 * interface, each next to a bare client that sends QEMU the minimum for the same result.
 */
import { mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import type { VmSpec } from "../../src/hypervisor/spec.ts";
import { succeed } from "../../test/support/command.ts";
import { Guest } from "../../test/support/guest.ts";
import { testOs } from "../../test/support/node-os.ts";
import { testQemu } from "../../test/support/qemu.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, median } from "../figures.ts";

const mib = 1024 * 1024;
const stepMiB = 128;
const tap = `kb${process.pid}`.slice(0, 15);

interface Pair {
  readonly name: string;
  readonly product: number[];
  readonly bare: number[];
}

export async function hotplug(context: BenchContext): Promise<Findings> {
  context.progress("plugging into a running machine, beside a bare QMP client");
  const count = rounds(context, 4, 2);
  const pairs: Pair[] = [];
  await succeed(["ip", "tuntap", "add", "dev", tap, "mode", "tap"]);
  try {
    for (const by of ["dimm", "virtio-mem"] as const) {
      const directory = context.place.path(`hotplug-${by}`);
      mkdirSync(directory);
      const spec: Partial<VmSpec> = {
        maxVcpus: 2 * count + 3,
        memoryGrowth: { maxMiB: 512 + (2 * count + 3) * stepMiB, slots: 2 * count + 2, by },
        hotplugPorts: { bridges: 0, rootPorts: 3 },
      };
      const driver = qemuDriver(testOs(), {
        ...testQemu,
        extraMonitor: "qmp",
      });
      await using guest = await Guest.start(driver, directory, spec, ["virtio_blk", "virtio_net", "virtio_mem"]);
      await using bare = await BareClient.connect(path.join(directory, "vm", "extra-monitor.sock"));
      if (by === "virtio-mem") pairs.push(await virtioMem(guest, bare, count));
      else
        pairs.push(
          await vcpus(guest, bare, count),
          await dimms(guest, bare, count),
          ...(await devices(guest, bare, count, directory)),
        );
    }
  } finally {
    await succeed(["ip", "link", "delete", tap]);
  }
  return {
    figures: pairs.flatMap(({ name, product, bare }): Figure[] => [
      { name: `${name}, usable in the guest`, unit: "ms", samples: product },
      { name: `${name}, by a bare client`, unit: "ms", samples: bare },
    ]),
    verdicts: pairs.map(({ name, product, bare }) =>
      atMost(`${name}: plugging over a bare client's`, median(product) / median(bare), 1.5, "ratio"),
    ),
    notes: [
      "both wait for the guest in the same way; an emulated vCPU comes up in some hundred ms",
      "the first of each is not counted: the guest runs the code of a first time",
    ],
  };
}

async function alternate(
  name: string,
  count: number,
  product: (round: number) => Promise<void>,
  bare: (round: number) => Promise<void>,
  after: () => Promise<void> = async () => {},
): Promise<Pair> {
  const pair: Pair = { name, product: [], bare: [] };
  for (let round = 0; round <= count; round++) {
    const turns = [
      [pair.product, product],
      [pair.bare, bare],
    ] as const;
    for (const [samples, work] of round % 2 === 0 ? turns : turns.toReversed()) {
      const began = performance.now();
      await work(round);
      // An emulated guest takes several times as long for what it does for the first time.
      if (round > 0) samples.push(performance.now() - began);
      await after();
    }
  }
  return pair;
}

async function vcpus(guest: Guest, bare: BareClient, count: number): Promise<Pair> {
  const places = (await bare.ask("query-hotpluggable-cpus")) as { type: string; props: object; "qom-path"?: string }[];
  // QEMU lists the last slot first. Both clients take the first free one: behind an empty one a vCPU gets no
  // interrupts.
  const inOrder = places.filter((place) => place["qom-path"] === undefined).reverse();
  let on = 1;
  const online = async () => void (await guest.agent.onlineCPUMem({ nbCpus: ++on, cpuOnly: true, wait: true }));
  return alternate(
    "vCPU",
    count,
    async () => {
      await guest.plug.addVcpus(1);
      await online();
    },
    async (round) => {
      const { type, props } = inOrder[on - 1] ?? { type: "", props: {} };
      await bare.ask("device_add", { driver: type, id: `bare-cpu-${round}`, ...props });
      await online();
    },
  );
}

async function dimms(guest: Guest, bare: BareClient, count: number): Promise<Pair> {
  const online = async () => void (await guest.agent.onlineCPUMem({ cpuOnly: false, wait: true }));
  let sizeMiB = 512;
  return alternate(
    "memory module",
    count,
    async () => {
      sizeMiB += stepMiB;
      await guest.plug.resizeMemory({ memoryMiB: sizeMiB, blockMiB: stepMiB });
      await online();
    },
    async (round) => {
      sizeMiB += stepMiB;
      const taken = bare.event("ACPI_DEVICE_OST");
      const backend = { "qom-type": "memory-backend-memfd", id: `bare-${round}`, size: stepMiB * mib, share: true };
      await bare.ask("object-add", backend);
      await bare.ask("device_add", { driver: "pc-dimm", id: `bare-dimm-${round}`, memdev: backend.id });
      await taken;
      await online();
    },
  );
}

async function virtioMem(guest: Guest, bare: BareClient, count: number): Promise<Pair> {
  let sizeMiB = 512 + stepMiB;
  const resize = () => guest.plug.resizeMemory({ memoryMiB: sizeMiB, blockMiB: stepMiB });
  // The first change creates the device.
  await guest.agent.onlineCPUMem({ cpuOnly: false, wait: true });
  await resize();
  return alternate(
    "virtio-mem",
    count,
    async () => {
      sizeMiB += stepMiB;
      await resize();
    },
    async () => {
      sizeMiB += stepMiB;
      const path = "/machine/peripheral/virtiomem0";
      const wanted = (sizeMiB - 512) * mib;
      await bare.ask("qom-set", { path, property: "requested-size", value: wanted });
      const devices = async () => (await bare.ask("query-memory-devices")) as { data: { size: number } }[];
      while ((await devices())[0]?.data.size !== wanted) await delay(2);
    },
  );
}

/** Each device is removed again after it was timed. */
async function devices(guest: Guest, bare: BareClient, count: number, directory: string): Promise<Pair[]> {
  const image = path.join(directory, "image");
  await succeed(["truncate", "--size=1M", image]);
  // The product passes open files to QEMU; the bare client lets QEMU open them, as an unprivileged user.
  await succeed(["chmod", "a+rw", image]);
  await succeed(["chmod", "a+x", directory, path.dirname(directory)]);
  let remove = async (): Promise<void> => {};
  const removed = () => remove();
  const gone = async (id: string, then: () => Promise<unknown>): Promise<void> => {
    const deleted = bare.event("DEVICE_DELETED", ({ device }) => device === id);
    await bare.ask("device_del", { id });
    await deleted;
    await then();
  };
  const seen = (test: string) => {
    const looking = guest.sh(`until ${test}; do sleep 0.005; done`);
    // It is awaited later; an earlier failure is the one to report.
    looking.catch(() => {});
    return looking;
  };
  const hasDisk = "test -e /sys/block/vda";
  const disk = await alternate(
    "disk",
    count,
    async () => {
      const looking = seen(hasDisk);
      const plugged = await guest.plug.addDisk({ id: "data", path: image, bus: "virtio-blk", readOnly: false });
      remove = () => plugged.remove();
      await looking;
    },
    async () => {
      const looking = seen(hasDisk);
      await bare.ask("blockdev-add", { driver: "raw", "node-name": "bare", file: { driver: "file", filename: image } });
      await bare.ask("device_add", {
        driver: "virtio-blk-pci",
        id: "bare-disk",
        drive: "bare",
        bus: "rp2",
        romfile: "",
      });
      remove = () => gone("bare-disk", () => bare.ask("blockdev-del", { "node-name": "bare" }));
      await looking;
    },
    removed,
  );
  const mac = "02:00:00:00:00:99";
  const hasInterface = `grep -q ${mac} /sys/class/net/*/address`;
  const network = await alternate(
    "network interface",
    count,
    async () => {
      const looking = seen(hasInterface);
      const plugged = await guest.plug.addNetwork({ id: "net1", macAddress: mac, tap });
      remove = () => plugged.remove();
      await looking;
    },
    async () => {
      const looking = seen(hasInterface);
      // A hub inside QEMU, because the user that QEMU runs as cannot open a tap.
      await bare.ask("netdev_add", { type: "hubport", id: "bare-net", hubid: 0 });
      await bare.ask("device_add", {
        driver: "virtio-net-pci",
        id: "bare-nic",
        netdev: "bare-net",
        mac,
        bus: "rp2",
        romfile: "",
      });
      remove = () => gone("bare-nic", () => bare.ask("netdev_del", { id: "bare-net" }));
      await looking;
    },
    removed,
  );
  return [disk, network];
}

type Fields = Readonly<Record<string, unknown>>;

/** A minimal QMP client: one command at a time, no checks. */
class BareClient implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #events: { readonly name: string; readonly match: (data: Fields) => boolean; readonly met: () => void }[] =
    [];
  #answered: (message: Fields) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface(socket).on("line", (line) => this.#take(JSON.parse(line) as Fields));
  }

  static async connect(file: string): Promise<BareClient> {
    const socket = connect(file);
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const client = new BareClient(socket);
    await client.ask("qmp_capabilities");
    return client;
  }

  async ask(command: string, parameters: Fields = {}): Promise<unknown> {
    const answer = new Promise<Fields>((resolve) => {
      this.#answered = resolve;
    });
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    const message = await answer;
    if (message.error !== undefined) throw new Error(`${command}: ${JSON.stringify(message.error)}`);
    return message.return;
  }

  /** The next event of this name. */
  event(name: string, match: (data: Fields) => boolean = () => true): Promise<void> {
    return new Promise((met) => {
      this.#events.push({ name, match, met });
    });
  }

  #take(message: Fields): void {
    if ("return" in message || "error" in message) {
      this.#answered(message);
      return;
    }
    const data = (message.data ?? {}) as Fields;
    const index = this.#events.findIndex(({ name, match }) => name === message.event && match(data));
    if (index >= 0) this.#events.splice(index, 1)[0]?.met();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}
