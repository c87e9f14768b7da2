/** What the kernel reports about this process's memory after `takeOwnPages`. */
import { assert } from "../engine/testing/assert.ts";
import { describe, it } from "../engine/testing/suite.ts";
import { takeOwnPages, writableRanges } from "./own-pages.ts";
import { readFileText } from "./whole-file.ts";

describe("the process's own pages", () => {
  it("are all that it may write to, once it has populated them", () => {
    takeOwnPages();
    const mappings = readFileText("/proc/self/smaps").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    const writable = mappings.filter((mapping) => mapping.split(" ", 2)[1] === "rw-p");
    const kibibytes = (mapping: string, field: string) => new RegExp(`^${field}: +(\\d+) kB`, "m").exec(mapping)?.[1];
    const taken = writable.filter((mapping) => kibibytes(mapping, "Size") === kibibytes(mapping, "Anonymous"));
    // Reading the file has grown the heap, possibly by a new mapping.
    assert.ok(taken.length >= 3 && writable.length - taken.length <= 1, mappings.join(""));
  });

  it("are found by their permissions", () => {
    const maps = "00400000-00401000 r--p 0 0:0 1 /x\n10000000-10003000 rw-p 0 0:0 1 /x\n7ff0-7ff8 rw-s 0 0:0 0\n";
    const [only, ...more] = writableRanges(maps);
    assert.ok(only?.address === 0x10000000 && only.length === 0x3000 && more.length === 0, JSON.stringify(only));
  });
});
