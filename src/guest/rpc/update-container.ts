/** UpdateContainer: changes the limits that the resources name, all or none; the others stay. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { UpdateContainerRequest } from "../../protocol/gen/kata/control.ts";
import { updateContainer as update } from "../container/update.ts";
import { Fields } from "../spec/fields.ts";
import { jsonDocument, messageDocument } from "./request.ts";
import { rpc } from "./rpc.ts";

export const updateContainer = rpc("UpdateContainer", UpdateContainerRequest, Empty, async (agent, request) => {
  const container = agent.sandbox.container(request.containerId);
  const document = jsonDocument(request.kumiteOciJson) ?? (await messageDocument("resources", request.resources));
  update(agent, container, new Fields(document, "linux.resources"));
  return undefined;
});
