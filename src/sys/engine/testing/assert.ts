/** Assertions for tests on the small engine: the part of node:assert/strict that the suites use. */
import type { ContractAssert } from "../../os-contract.ts";

class AssertionError extends Error {
  override readonly name = "AssertionError";
}

function fail(message: string | undefined, what: string): never {
  throw new AssertionError(message === undefined ? what : `${message}: ${what}`);
}

/** Formats a value for messages; also bytes and bigints, which JSON lacks. */
function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `Uint8Array [${value.join(", ").slice(0, 200)}]`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  const json = JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `${item}n` : item));
  return json ?? String(value);
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map) return same([...a], [...b]);
  if (a instanceof Set && b instanceof Set) return same([...a], [...b]);
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) => Object.hasOwn(b, key) && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

/** Compares every member of the matcher with the error's; a class as matcher tests for an instance. */
function matches(error: unknown, matcher: object): boolean {
  if (typeof matcher === "function") return error instanceof (matcher as new () => unknown);
  return Object.entries(matcher).every(([key, wanted]) => {
    const value = (error as Record<string, unknown>)?.[key];
    return wanted instanceof RegExp ? wanted.test(String(value)) : same(value, wanted);
  });
}

export const assert: ContractAssert & {
  throws(run: () => unknown, matcher: object, message?: string): void;
  fail(message: string): never;
} = {
  ok(value, message): asserts value {
    if (!value) fail(message, `expected something true, got ${show(value)}`);
  },
  equal(actual, expected, message) {
    if (!Object.is(actual, expected)) fail(message, `expected ${show(expected)}, got ${show(actual)}`);
  },
  deepEqual(actual, expected, message) {
    if (!same(actual, expected)) fail(message, `expected ${show(expected)}, got ${show(actual)}`);
  },
  throws(run, matcher, message) {
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      if (!matches(error, matcher)) fail(message, `expected an error like ${show(matcher)}, got ${show(error)}`);
      return;
    }
    fail(message, `expected an error, got ${show(result)}`);
  },
  async rejects(promise, matcher, message) {
    let result: unknown;
    try {
      result = await promise;
    } catch (error) {
      if (!matches(error, matcher)) fail(message, `expected an error like ${show(matcher)}, got ${show(error)}`);
      return;
    }
    fail(message, `expected a rejection, got ${show(result)}`);
  },
  fail: (message) => fail(undefined, message),
};
