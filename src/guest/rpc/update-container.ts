/** UpdateContainer: what the resources name changes, all of it or nothing; the rest stays. */

import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { UpdateContainerRequest } from "../../protocol/gen/kata/control.ts";
import { KumiteError } from "../../util/errors.ts";
import { updateContainer as update } from "../container/update.ts";
import { Fields } from "../spec/fields.ts";
import { resourcesDocument } from "../spec/from-messages.ts";
import { jsonDocument } from "./request.ts";
import { rpc } from "./rpc.ts";
import { withoutField } from "./skip-field.ts";

/** Of `resources` and `kumiteOciJson`. */
const messageField = 2;
const jsonField = 1000;

const requestType = {
  decode: (bytes: Uint8Array) => UpdateContainerRequest.decode(withoutField(bytes, messageField, jsonField)),
};

export const updateContainer = rpc("UpdateContainer", requestType, Empty, (agent, request) => {
  const container = agent.sandbox.container(request.containerId);
  const document = jsonDocument(request.kumiteOciJson) ?? (request.resources && resourcesDocument(request.resources));
  if (document === undefined) throw new KumiteError("usage/invalid", "the request has no resources");
  update(agent, container, new Fields(document, "linux.resources"));
  return undefined;
});
