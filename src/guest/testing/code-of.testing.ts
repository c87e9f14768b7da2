/** The result of a call, in one word. */
import { isKumiteError, messageOf } from "../../util/errors.ts";

/** `ok`, the error's code, or the message of an error without a code. */
export async function codeOf(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
    return "ok";
  } catch (error) {
    return isKumiteError(error) ? error.code : messageOf(error);
  }
}
