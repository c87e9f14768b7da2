/**
 * What is changed in the sources of QuickJS before they are compiled: objects of the image of the heap (src/sys/native/image.c)
 * are never freed, so nobody counts who refers to them. A count that goes up and down with each use writes to the object, and a
 * page that is written to is copied: in each clone of a machine, and in each process that the agent forks.
 *
 * Each change is a pattern with the number of its places; another version of the sources that differs there does not compile.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

interface Change {
  readonly file: "quickjs.c" | "quickjs.h";
  readonly what: RegExp;
  readonly by: string;
  readonly places: number;
}

/** `JS_IsKept` is for whoever includes the header: the C host frees and copies values, too. */
const declaration = `extern const char *JS_kept_end;
static inline int JS_IsKept(const void *p)
{
    return (const char *)p < JS_kept_end;
}

void __JS_FreeValue(JSContext *ctx, JSValue v);`;

export const changes: readonly Change[] = [
  { file: "quickjs.h", what: /void __JS_FreeValue\(JSContext \*ctx, JSValue v\);/g, by: declaration, places: 1 },
  {
    file: "quickjs.h",
    what: /if \(--p->ref_count <= 0\)/g,
    by: "if (!JS_IsKept(p) && --p->ref_count <= 0)",
    places: 2,
  },
  { file: "quickjs.h", what: /(?<= )p->ref_count\+\+;/g, by: "if (!JS_IsKept(p)) p->ref_count++;", places: 2 },
  // Strings, atoms, shapes, variables of closures, contexts, bytecode, states of async functions.
  { file: "quickjs.c", what: /([\w>.-]+)->header\.ref_count\+\+;/g, by: "JS_COUNT_UP($1);", places: 16 },
  { file: "quickjs.c", what: /--(\w+)->header\.ref_count\b/g, by: "JS_COUNT_DOWN($1)", places: 6 },
  { file: "quickjs.c", what: /(\w+)->header\.ref_count--;/g, by: "(void)JS_COUNT_DOWN($1);", places: 1 },
  // What only one refers to is changed in place.
  { file: "quickjs.c", what: /if \((p1|sh)->header\.ref_count != 1\)/g, by: "if (JS_IS_SHARED($1))", places: 3 },
  // The search for garbage takes away and gives back what its objects count.
  {
    file: "quickjs.c",
    what: /assert\(p->ref_count > 0\);\s+p->ref_count--;/g,
    by: "if (JS_IsKept(p)) return;\n    $&",
    places: 1,
  },
  { file: "quickjs.c", what: /(?<=\n {4})p->ref_count\+\+;/g, by: "if (JS_IsKept(p)) return;\n    $&", places: 2 },
];

/** @throws Error when the sources are not those that the changes are for */
export async function changeQuickjs(tree: string): Promise<void> {
  for (const file of ["quickjs.c", "quickjs.h"] as const) {
    const path = join(tree, file);
    await writeFile(path, changed(await readFile(path, "utf8"), file));
  }
}

function changed(text: string, file: Change["file"]): string {
  return changes
    .filter((change) => change.file === file)
    .reduce((before, { what, by, places }) => {
      const found = [...before.matchAll(what)].length;
      if (found !== places) throw new Error(`${file} has ${found} places of ${what}, where ${places} are changed`);
      return before.replace(what, by);
    }, text);
}
