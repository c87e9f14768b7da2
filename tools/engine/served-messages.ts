/**
 * Removes functions from generated messages that a server never calls: it only decodes requests, and only encodes
 * responses. A bundler cannot do this, since a message's functions are properties of one object. They are a tenth of
 * the agent.
 */
import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/** Names of the messages that a program only decodes, and of those that it only encodes. Their parts are included. */
export interface MessageUse {
  readonly read: RegExp;
  readonly written: RegExp;
}

type Method = "encode" | "decode" | "create" | "fromPartial";

interface Message {
  readonly name: string;
  readonly methods: ReadonlyMap<Method, string>;
}

/** The code that ts-proto generates. */
const messageForm = /^export const (\w+): MessageFns<\w+> = \{\n([\s\S]*?)^\};\n/gm;
const methodForm = /^ {2}(encode|decode|create|fromPartial)\b[\s\S]*?^ {2}\},\n/gm;
const callForm = /\b(\w+)\.(encode|decode|create|fromPartial)\(/g;

/** What was left out, as `Message.method`. */
export type LeftOut = Set<string>;

export function servedMessages(use: MessageUse, leftOut: LeftOut): Plugin {
  return {
    name: "served messages",
    setup: (build) =>
      build.onLoad({ filter: /\/protocol\/gen\/.*\.ts$/ }, async ({ path }) => ({
        contents: withoutUnused(await readFile(path, "utf8"), use, leftOut),
        loader: "ts",
      })),
  };
}

/** @throws Error if a bundle calls what was left out */
export function checkLeftOut(texts: readonly string[], leftOut: LeftOut): void {
  for (const text of texts) {
    for (const [, message = "", method = ""] of text.matchAll(callForm)) {
      const call = `${message}.${method}`;
      if (leftOut.has(call)) throw new Error(`${call} is called, and was left out of the bundle`);
    }
  }
}

function withoutUnused(text: string, use: MessageUse, leftOut: LeftOut): string {
  const messages = readMessages(text);
  const used = usedMethods(messages, use);
  return text
    .replace(messageForm, (whole, name: string) =>
      whole.replace(methodForm, (method, which: Method) => {
        const call = `${name}.${which}`;
        if (used.has(call)) return method;
        leftOut.add(call);
        return "";
      }),
    )
    .replaceAll(/: MessageFns<\w+> = \{/g, " = {");
}

function readMessages(text: string): Message[] {
  return [...text.matchAll(messageForm)].map(([, name = "", body = ""]) => {
    const methods = [...body.matchAll(methodForm)].map(([whole, method]) => [method as Method, whole] as const);
    return { name, methods: new Map(methods) };
  });
}

function usedMethods(messages: readonly Message[], { read, written }: MessageUse): ReadonlySet<string> {
  const parts = new Set(
    messages.flatMap(({ name, methods }) =>
      calls(methods.get("decode"))
        .map(([of]) => of)
        .filter((of) => of !== name),
    ),
  );
  const used = new Set<string>();
  const add = (name: string, method: Method): void => {
    const text = messages.find((message) => message.name === name)?.methods.get(method);
    if (text === undefined || used.has(`${name}.${method}`)) return;
    used.add(`${name}.${method}`);
    for (const [of, called] of calls(text)) add(of, called);
  };
  for (const { name } of messages) {
    const isRead = read.test(name);
    const isWritten = written.test(name);
    // A message that neither pattern names may be used in any way, unless it is only a part of others.
    const isUnknown = !isRead && !isWritten && !parts.has(name);
    if (isRead || isUnknown) add(name, "decode");
    if (isWritten || isUnknown) add(name, "encode");
    if (isWritten || isUnknown) add(name, "fromPartial");
  }
  return used;
}

function calls(text = ""): [message: string, method: Method][] {
  return [...text.matchAll(callForm)].map(([, message = "", method]) => [message, method as Method]);
}
