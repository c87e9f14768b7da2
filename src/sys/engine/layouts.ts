/**
 * The engine shares the layout of objects that were given the same properties in the same order, as long as one of them
 * exists. Every function that is made gets two properties; one that has only the first never exists for long, so each time
 * that layout was made anew, which was a quarter of making a function. Here one is kept.
 */

const kept: object[] = [];

export function keepLayouts(): void {
  for (const prototype of [Function.prototype, Object.getPrototypeOf(async () => {}) as object]) {
    const length = { value: 0, writable: false, enumerable: false, configurable: true };
    kept.push(Object.create(prototype), Object.defineProperty(Object.create(prototype) as object, "length", length));
  }
}
