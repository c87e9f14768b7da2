/**
 * `kumite-keeper`, on the small engine: holds the memory, the state and the empty upper disk of one template for as
 * long as the template exists. All three are unnamed files in memory. Once they are sealed nobody can write to them,
 * not even a clone's VMM that its guest has taken over. The arguments are those of `keeperWords`.
 */
import { engineOs } from "../../sys/engine/engine-os.ts";
import { hold, onUncaught } from "../../sys/engine/loop.ts";
import { writeAll } from "../../sys/linux/file.ts";
import { addSeals, makeMemoryFile, seal } from "../../sys/linux/memory-file.ts";
import type { ByteStream } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { filledWord, type KeeperPlace, keeperDescriptor, maxKeeperLine, memoryName } from "./protocol.ts";

const statusBroken = 2;
/** A larger state is not from our builder. */
const maxStateBytes = 64 * 1024 * 1024;
const unchanging = seal.writing | seal.futureWriting | seal.growing | seal.shrinking | seal.sealing;

async function main(): Promise<void> {
  const [, key = "", size = "", word, upperSize = "0"] = os.self.argv;
  const stream = os.self.stream(keeperDescriptor);
  const reader = new ByteReader(stream);
  const memory = makeMemoryFile(memoryName(key), Number(size));
  if (word === filledWord) {
    await tell(stream, { memory });
    if ((await nextLine(reader))?.filled !== true) return os.self.exit(statusBroken);
  }
  const upper = Number(upperSize) > 0 ? { upper: makeMemoryFile(`kumite-upper-${key}`, Number(upperSize)) } : {};
  const files: KeeperPlace = { memory, ...upper };
  // Until then the VMM that makes the template may write to the files, but has no reason to resize them.
  for (const fd of descriptorsIn(files)) addSeals(fd, seal.growing | seal.shrinking);
  await tell(stream, files);
  const asked = await nextLine(reader);
  const length = asked?.state;
  if (typeof length !== "number" || !(length > 0 && length <= maxStateBytes)) return os.self.exit(statusBroken);
  const bytes = await reader.readExactly(length);
  const state = makeMemoryFile(`kumite-state-${key}`, bytes.length);
  writeAll(state, bytes);
  const whole: KeeperPlace = { ...files, state };
  for (const fd of descriptorsIn(whole)) addSeals(fd, unchanging);
  await tell(stream, whole);
  if ((await nextLine(reader))?.keep !== true) return os.self.exit(statusBroken);
  stream.close();
  hold();
}

function descriptorsIn({ memory, upper, state }: KeeperPlace): number[] {
  return [memory, upper, state].filter((fd) => fd !== undefined);
}

async function tell(stream: ByteStream, place: KeeperPlace): Promise<void> {
  await stream.write(encodeUtf8(`${JSON.stringify(place)}\n`));
}

async function nextLine(reader: ByteReader): Promise<Record<string, unknown> | undefined> {
  const line = await reader.readLine(maxKeeperLine);
  const value = line === undefined ? undefined : parseJson(line);
  return isRecord(value) ? value : undefined;
}

const os = engineOs();
onUncaught(() => os.self.exit(statusBroken));
await main();
