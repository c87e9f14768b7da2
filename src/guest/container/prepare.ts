/**
 * Creates a first or exec process with its streams, until it waits for its start or runs. The agent listens on the
 * ports of the streams before the host learns of the process; output written earlier stays in pipes.
 */
import { SIGKILL } from "../../sys/linux/signal.ts";
import { KumiteError } from "../../util/errors.ts";
import { allowDescriptors } from "../boot/descriptor-limit.ts";
import type { UserNamespacePlan } from "../spec/plan.ts";
import { ProcessIo, type StdioPorts } from "../stdio/process-io.ts";
import {
  type ChildEnds,
  closeStreams,
  openPipes,
  openPlaceholders,
  type Pipes,
  type ProcessStreams,
  streamsOfTerminal,
} from "../stdio/streams.ts";
import type { ProcessOutline } from "../steps/outline.ts";
import type { NewProcess } from "./birth.ts";
import type { ControlSocket } from "./control-socket.ts";
import type { ContainerHost } from "./host.ts";
import { ContainerProcess } from "./process.ts";
import { type SetUpHelp, UnusualSetUp } from "./set-up.ts";

export interface ProcessRequest {
  readonly execId: string;
  readonly outline: ProcessOutline;
  readonly ports: StdioPorts;
  /** The container's own user namespace, if it has one. */
  readonly user?: UserNamespacePlan | undefined;
  readonly onMounted?: SetUpHelp["onMounted"];
  /** Pipes that are open already; closed when this fails. */
  readonly pipes?: Pipes | undefined;
}

export interface PreparedProcess {
  readonly process: ContainerProcess;
  /** The caller closes it. */
  readonly control: ControlSocket;
}

/**
 * @param birth creates the process, with these descriptors as its standard streams
 * @param awaited when the process counts as prepared: `awaitReady` or `awaitExecuted`
 * @throws KumiteError, UnusualSetUp as `awaited`; `usage/invalid` for a port. Then no process is left.
 */
export async function prepareProcess(
  host: ContainerHost,
  { execId, outline, ports, user, onMounted, pipes: openedPipes }: ProcessRequest,
  birth: (standard: ChildEnds["standard"]) => NewProcess,
  awaited: (born: NewProcess, signal: AbortSignal, help?: SetUpHelp) => Promise<number | undefined>,
  signal: AbortSignal,
): Promise<PreparedProcess> {
  const { pipeOwner, descriptors, terminal: wantsTerminal } = outline;
  if (host.ownsKernel && descriptors !== undefined) allowDescriptors(BigInt(descriptors));
  const pipes = wantsTerminal ? undefined : (openedPipes ?? openPipes(pipeOwner, host.pipeSizeBytes));
  let born: NewProcess | undefined;
  try {
    born = giveBirth(pipes?.child ?? openPlaceholders(), birth);
    const terminal = await awaited(born, signal, { user, onMounted });
    const io = new ProcessIo(pipes?.streams ?? terminalStreams(terminal), ports, host.ports);
    return { process: new ContainerProcess(execId, born.process, io), control: born.control };
  } catch (error) {
    born?.process.signal(SIGKILL);
    born?.control.close();
    if (pipes !== undefined) closeStreams(pipes.streams);
    // A pids limit may have room for only one process, and another one is about to take its place.
    if (error instanceof UnusualSetUp) await born?.process.exited;
    throw error;
  }
}

function giveBirth(ends: ChildEnds, birth: (standard: ChildEnds["standard"]) => NewProcess): NewProcess {
  try {
    return birth(ends.standard);
  } finally {
    ends.close();
  }
}

function terminalStreams(master: number | undefined): ProcessStreams {
  if (master !== undefined) return streamsOfTerminal(master);
  throw new KumiteError("agent/failed", "the process did not hand over its terminal");
}
