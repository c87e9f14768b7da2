/**
 * The floor of clones: the floor's VM, saved while its static init waits for a byte, and restored by QEMU alone.
 * Anything beyond that is the product's own cost.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Duplex, Readable } from "node:stream";
import { qemuArguments } from "../../src/hypervisor/qemu/command-line.ts";
import type { Boot, QemuMachine } from "../../src/hypervisor/qemu/machine.ts";
import { cpuSeconds } from "../process-cost.ts";
import { floorMarker } from "./build.ts";
import type { BootCost, FloorOptions } from "./run.ts";

const deadlineMs = 60_000;
/** Descriptors in QEMU: for the guest's byte, the console, the monitor, and the saved state. */
const [byteFd, consoleFd, monitorFd, stateFd] = [3, 4, 5, 6];
const capabilities = ["x-ignore-shared", "events"].map((capability) => ({ capability, state: true }));

export interface AnsweringFloor extends AsyncDisposable {
  readonly wallMs: number;
  readonly pid: number;
}

export class FloorTemplate implements Disposable {
  readonly #options: FloorOptions;
  readonly #directory: string;
  readonly #memory: string;
  readonly #state: string;

  private constructor(options: FloorOptions) {
    this.#options = options;
    this.#directory = mkdtempSync(path.join(placeFor(options.memoryMiB), "kumite-floor-"));
    this.#memory = path.join(this.#directory, "memory");
    this.#state = path.join(this.#directory, "state");
  }

  static async make(options: FloorOptions): Promise<FloorTemplate> {
    const template = new FloorTemplate(options);
    try {
      await template.#save();
      return template;
    } catch (error) {
      template[Symbol.dispose]();
      throw error;
    }
  }

  /** Starts QEMU; resolves when its guest has answered one byte. The caller disposes of it. */
  async start(): Promise<AnsweringFloor> {
    const began = performance.now();
    const state = openSync(this.#state, "r");
    const qemu = new Qemu(this.#options, this.#machine({ kind: "incoming" }, false), [state]);
    try {
      closeSync(state);
      const restored = qemu.migrated();
      qemu.command("migrate-set-capabilities", { capabilities });
      qemu.command("migrate-incoming", { uri: `fd:${stateFd}` });
      await restored;
      qemu.port.write(Buffer.of(floorMarker));
      await qemu.marker();
    } catch (error) {
      await qemu[Symbol.asyncDispose]();
      throw error;
    }
    const wallMs = performance.now() - began;
    return { wallMs, pid: qemu.pid, [Symbol.asyncDispose]: () => qemu[Symbol.asyncDispose]() };
  }

  /** From the start of QEMU until its guest has answered one byte. */
  async restore(): Promise<BootCost> {
    await using floor = await this.start();
    return { wallMs: floor.wallMs, qemuCpuSeconds: cpuSeconds(floor.pid) };
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #save(): Promise<void> {
    const { guest, parameters } = this.#options;
    const boot = { kind: "kernel", kernel: guest.vmlinux, initrd: guest.initrd, parameters } as const;
    await using qemu = new Qemu(this.#options, this.#machine(boot, true), []);
    await qemu.marker();
    const socket = path.join(this.#directory, "socket");
    const server = createServer().listen(socket);
    await once(server, "listening");
    const chunks: Buffer[] = [];
    const read = once(server, "connection").then(async ([connection]: Duplex[]) => {
      for await (const chunk of connection as Duplex) chunks.push(chunk as Buffer);
    });
    const saved = qemu.migrated();
    qemu.command("migrate-set-capabilities", { capabilities });
    qemu.command("migrate", { uri: `unix:${socket}` });
    await Promise.all([read, saved]);
    server.close();
    writeFileSync(this.#state, Buffer.concat(chunks));
  }

  #machine(boot: Boot, shared: boolean): QemuMachine {
    const { accelerator, memoryMiB } = this.#options;
    return {
      name: "floor",
      type: "q35",
      accelerator,
      vcpus: 1,
      memory: { sizeMiB: memoryMiB, backing: { kind: "file", path: this.#memory, shared } },
      boot,
      monitor: monitorFd,
      chardevs: [
        { id: "byte", fd: byteFd },
        { id: "console", fd: consoleFd },
      ],
      devices: [
        { kind: "serial", chardev: "console" },
        { kind: "virtio-serial", id: "serial", ports: 2 },
        { kind: "port", id: "floor-port", bus: "serial", chardev: "byte", name: "floor.0" },
      ],
    };
  }
}

/** A file system in memory if one has enough room: containers often have a small one. */
function placeFor(memoryMiB: number): string {
  const { bavail, bsize } = statfsSync("/dev/shm");
  return bavail * bsize > 2 * memoryMiB * 1024 ** 2 ? "/dev/shm" : tmpdir();
}

class Qemu implements AsyncDisposable {
  readonly port: Duplex;
  readonly #child: ChildProcess;
  readonly #monitor: Duplex;
  readonly #limit: NodeJS.Timeout;
  #said = "";

  constructor({ qemu }: FloorOptions, machine: QemuMachine, more: readonly number[]) {
    const stdio = ["ignore", "ignore", "pipe", "pipe", "pipe", "pipe", ...more] as const;
    this.#child = spawn(qemu, qemuArguments(machine), { stdio: [...stdio] });
    this.#limit = setTimeout(() => this.#child.kill("SIGKILL"), deadlineMs);
    this.port = this.#child.stdio[byteFd] as Duplex;
    this.#monitor = this.#child.stdio[monitorFd] as Duplex;
    for (const stream of [this.#child.stdio[2], this.#child.stdio[consoleFd]] as Readable[]) {
      stream.on("data", (chunk: Buffer) => {
        this.#said = (this.#said + chunk).slice(-4096);
      });
    }
    // When QEMU is killed, unread data makes these streams fail.
    for (const stream of [this.port, this.#monitor]) stream.on("error", () => {});
    this.command("qmp_capabilities", {});
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  command(execute: string, args: object): void {
    this.#monitor.write(`${JSON.stringify({ execute, arguments: args })}\n`);
  }

  marker(): Promise<void> {
    return this.#orEnd(
      once(this.port, "data").then(([bytes]: Buffer[]) => {
        if (bytes?.[0] !== floorMarker) throw new Error(`the floor did not answer\n${this.#said}`);
      }),
    );
  }

  /** Resolves when the only migration is over. */
  migrated(): Promise<void> {
    return this.#orEnd(
      new Promise((resolve, reject) => {
        let text = "";
        this.#monitor.on("data", (chunk: Buffer) => {
          text += chunk;
          if (/"status": "completed"/.test(text)) resolve();
          else if (/"status": "failed"|"error":/.test(text)) reject(new Error(`no migration: ${text}`));
        });
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#limit);
    this.#child.kill("SIGKILL");
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }

  #orEnd<T>(promise: Promise<T>): Promise<T> {
    const ended = once(this.#child, "exit").then(() => {
      throw new Error(`QEMU ended\n${this.#said}`);
    });
    // It loses the race whenever all goes well.
    ended.catch(() => {});
    return Promise.race([promise, ended]);
  }
}
