/**
 * `kumite-send TEXT`: sends the text to descriptor 3 together with descriptor 4 (SCM_RIGHTS), which Node cannot do.
 * Exits with 0 or the errno.
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
// The reader cannot use half a text, so treat a partial write like a full socket.
if (sent >= 0) exit(sent === bytes.length ? 0 : -EAGAIN);
exit(-sent);
