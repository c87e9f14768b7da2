/** TtyWinResize. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { TtyWinResizeRequest } from "../../protocol/gen/kata/agent.ts";
import { KumiteError } from "../../util/errors.ts";
import { rpc } from "./rpc.ts";

/** The kernel's struct winsize has 16 bits. */
const longest = 0xffff;

export const ttyWinResize = rpc("TtyWinResize", TtyWinResizeRequest, Empty, (agent, request) => {
  const { row: rows, column: columns } = request;
  if (rows > longest || columns > longest) {
    throw new KumiteError("usage/invalid", `a terminal cannot have ${rows} rows and ${columns} columns`);
  }
  agent.sandbox.container(request.containerId).process(request.execId).io.resize({ rows, columns });
  return undefined;
});
