/** QMP: what a QEMU under its guest's control may send. */
import { QmpClient } from "../../src/hypervisor/qemu/qmp/client.ts";
import { firstCommands } from "../../src/hypervisor/qemu/qmp/first-commands.ts";
import { messageOf } from "../../src/util/errors.ts";
import { encodeUtf8 } from "../../src/util/text.ts";
import { feed, soon } from "../feed.ts";
import { must, mustBeRefusal, type Target } from "../target.ts";

const greeting =
  '{"QMP": {"version": {"qemu": {"micro": 19, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}\n';

export const qmp: Target = {
  name: "qmp",
  words: [
    '{"return": {}, "id": 1}\n',
    '{"event": "',
    "SHUTDOWN",
    '"data": {',
    '"timestamp"',
    '{"error": {"class": "',
    "\n",
  ],
  seeds: () =>
    [
      '{"return": {}, "id": 1}\n{"return": {"status": "running", "running": true}, "id": 2}\n',
      '{"return": {}, "id": 1}\n{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}\n',
      '{"return": {}, "id": 1}\n{"error": {"class": "GenericError", "desc": "no"}, "id": 2}\n',
      '{"return": {}, "id": 1}\n{"event": "GUEST_PANICKED", "data": {"action": "pause"}}\n',
      '{"error": {"class": "CommandNotFound", "desc": "?"}, "id": 1}\n',
    ].map((text) => encodeUtf8(`\u0004${greeting}${text}`)),
  async run(input) {
    const { stream, done } = feed(input);
    let client: QmpClient | undefined;
    try {
      const options = { onEvent: (event: unknown) => void JSON.stringify(event), log: () => {} };
      client = await soon("the greeting", QmpClient.connect(stream, firstCommands(false), options));
      await soon("an answer", client.execute("query-status", {}));
    } catch (error) {
      must(!/undefined|\[object/.test(messageOf(error)), `a message for people: ${messageOf(error)}`);
      mustBeRefusal(error, "hypervisor/protocol", "protocol/violation", "protocol/closed");
    }
    client?.close();
    await soon("the end of the client", Promise.resolve(client?.closed));
    await soon("the end of the connection", done);
  },
};
