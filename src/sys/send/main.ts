/**
 * `kumite-send TEXT`: writes the text to descriptor 3 together with descriptor 4 (SCM_RIGHTS), for Node, which cannot.
 * Its status is 0 or the errno.
 */
import * as native from "kumite:native";
import { encodeUtf8 } from "../../util/text.ts";
import { onUncaught } from "../engine/loop.ts";
import { EAGAIN } from "../linux/check.ts";
import { exit, processArguments } from "../linux/process.ts";
import { MSG_NOSIGNAL } from "../linux/socket.ts";
import { sendSocket, sentDescriptor, statusOfFault } from "./protocol.ts";

onUncaught(() => exit(statusOfFault));
const [, text = ""] = processArguments();
const bytes = encodeUtf8(text);
const sent = native.sendmsg(sendSocket, [bytes], [sentDescriptor], MSG_NOSIGNAL, null);
// Half a text is of no use to its reader: as if nobody read.
if (sent >= 0) exit(sent === bytes.length ? 0 : -EAGAIN);
exit(-sent);
