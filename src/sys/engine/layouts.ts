/**
 * Keeps two object layouts alive. The engine shares a layout among objects that got the same properties in the same
 * order, but only as long as such an object exists. Every new function gets two properties. Objects with only the first
 * one never live long, so this intermediate layout was created for each function again, which was a quarter of the cost
 * of creating a function.
 */

const kept: object[] = [];

export function keepLayouts(): void {
  for (const prototype of [Function.prototype, Object.getPrototypeOf(async () => {}) as object]) {
    const length = { value: 0, writable: false, enumerable: false, configurable: true };
    kept.push(Object.create(prototype), Object.defineProperty(Object.create(prototype) as object, "length", length));
  }
}
