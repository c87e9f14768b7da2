/**
 * `kumite-keeper`, on the small engine: holds the memory and the state of one template for as long as the template is to
 * exist. Both are files in memory without a name; once sealed nobody can write to them, not even a clone's VMM that its
 * guest has taken over. Called with the template's key and the size of its memory in bytes.
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
/** A state that is larger is none of ours. */
const maxStateBytes = 64 * 1024 * 1024;
const unchanging = seal.writing | seal.futureWriting | seal.growing | seal.shrinking | seal.sealing;

async function main(): Promise<void> {
  const [, key = "", size = "", word] = os.self.argv;
  const stream = os.self.stream(keeperDescriptor);
  const reader = new ByteReader(stream);
  const memory = makeMemoryFile(memoryName(key), Number(size));
  if (word === filledWord) {
    await tell(stream, { memory });
    if ((await nextLine(reader))?.filled !== true) return os.self.exit(statusBroken);
  }
  // The VMM that makes the template writes to it and has no reason to do more.
  addSeals(memory, seal.growing | seal.shrinking);
  await tell(stream, { memory });
  const asked = await nextLine(reader);
  const length = asked?.state;
  if (typeof length !== "number" || !(length > 0 && length <= maxStateBytes)) return os.self.exit(statusBroken);
  const bytes = await reader.readExactly(length);
  const state = makeMemoryFile(`kumite-state-${key}`, bytes.length);
  writeAll(state, bytes);
  for (const fd of [memory, state]) addSeals(fd, unchanging);
  await tell(stream, { memory, state });
  if ((await nextLine(reader))?.keep !== true) return os.self.exit(statusBroken);
  stream.close();
  hold();
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
