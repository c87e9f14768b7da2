/**
 * A program for tests: answers the first connection on descriptor 3 with the socket's path and the data it received.
 */
import { descriptorStream } from "../descriptor-stream.ts";
import { listenOnDescriptor } from "../socket-listener.ts";

const listener = await listenOnDescriptor(3);
for await (const stream of listener) {
  await stream.write(new TextEncoder().encode(`${listener.path}: `));
  for (let part = await stream.read(); part !== undefined; part = await stream.read()) await stream.write(part);
  stream.close();
  break;
}
await listener.close();
descriptorStream(1).close();
