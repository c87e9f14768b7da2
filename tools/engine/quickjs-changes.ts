/**
 * Changes that are applied to the sources of QuickJS before they are compiled.
 *
 * Objects in the heap image (src/sys/native/image.c) are never freed, so references to them are not counted. A
 * reference count that changes with each use writes to the object, and a written page is copied: in each clone of a VM,
 * and in each process that the agent forks.
 *
 * Stack traces have lines and no columns, whose table was half as large as the code. And everything is compiled for
 * size, except for what runs most.
 *
 * Each change is a pattern with its expected number of matches; if another version of the sources differs there, the
 * build fails.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

interface Change {
  readonly file: "quickjs.c" | "quickjs.h";
  readonly what: RegExp;
  readonly by: string;
  readonly places: number;
}

/** `JS_IsKept` is for all files that include the header: the C host also frees and copies values. */
const declaration = `extern const char *JS_kept_end;
static inline int JS_IsKept(const void *p)
{
    return (const char *)p < JS_kept_end;
}

void __JS_FreeValue(JSContext *ctx, JSValue v);`;

/** Functions in which verbs and the agent spend most instructions: compiled for speed. */
const hot: readonly string[] = [
  ...["JS_CallInternal", "js_call_c_function", "js_closure2", "JS_CallConstructorInternal", "async_func_resume"],
  ...["js_async_function_resume", "js_promise_resolve_function_call", "JS_ExecutePendingJob", "JS_NewObjectProtoClass"],
  ...[
    "JS_GetPropertyInternal",
    "JS_SetPropertyInternal",
    "JS_GetPropertyValue",
    "JS_SetPropertyValue",
    "JS_DefineProperty",
  ],
  ...["JS_DefinePropertyValue", "JS_CreateProperty", "add_property", "js_clone_shape", "JS_NewObjectFromShape"],
  ...["JS_GetOwnPropertyNamesInternal", "JS_IteratorNext2", "js_array_iterator_next", "js_create_array"],
  ...["expand_fast_array", "add_fast_array_element", "JS_ToStringInternal", "JS_ConcatString", "js_strict_eq2"],
  ...["js_malloc", "js_mallocz", "js_alloc_string", "hash_string", "__JS_NewAtom", "JS_NewAtomStr", "__JS_AtomToValue"],
  ...["JS_ReadString", "bc_get_leb128", "bc_idx_to_atom", "mark_children", "gc_decref", "gc_scan", "free_object"],
];

/** Matches the beginning of a function's definition. */
const madeFast = (name: string): Change => ({
  file: "quickjs.c",
  what: new RegExp(`^(?:\\w+[ *]+)+${name}\\([^;{}]*\\)\\n\\{`, "gm"),
  by: '__attribute__((optimize("O2"))) $&',
  places: 1,
});

export const changes: readonly Change[] = [
  { file: "quickjs.h", what: /void __JS_FreeValue\(JSContext \*ctx, JSValue v\);/g, by: declaration, places: 1 },
  {
    file: "quickjs.h",
    what: /if \(--p->ref_count <= 0\)/g,
    by: "if (!JS_IsKept(p) && --p->ref_count <= 0)",
    places: 2,
  },
  { file: "quickjs.h", what: /(?<= )p->ref_count\+\+;/g, by: "if (!JS_IsKept(p)) p->ref_count++;", places: 2 },
  // Strings, atoms, shapes, closure variables, contexts, bytecode, states of async functions.
  { file: "quickjs.c", what: /([\w>.-]+)->header\.ref_count\+\+;/g, by: "JS_COUNT_UP($1);", places: 16 },
  { file: "quickjs.c", what: /--(\w+)->header\.ref_count\b/g, by: "JS_COUNT_DOWN($1)", places: 6 },
  { file: "quickjs.c", what: /(\w+)->header\.ref_count--;/g, by: "(void)JS_COUNT_DOWN($1);", places: 1 },
  // Objects with a single reference are changed in place.
  { file: "quickjs.c", what: /if \((p1|sh)->header\.ref_count != 1\)/g, by: "if (JS_IS_SHARED($1))", places: 3 },
  // The garbage collector decrements and restores the reference counts of objects.
  {
    file: "quickjs.c",
    what: /assert\(p->ref_count > 0\);\s+p->ref_count--;/g,
    by: "if (JS_IsKept(p)) return;\n    $&",
    places: 1,
  },
  { file: "quickjs.c", what: /(?<=\n {4})p->ref_count\+\+;/g, by: "if (JS_IsKept(p)) return;\n    $&", places: 2 },
  // The line table: first where it is written, then where it is read.
  { file: "quickjs.c", what: /dbuf_put_leb128\(&s->pc2line, last_col_num\);/g, by: "", places: 1 },
  { file: "quickjs.c", what: /diff_line == 0 && diff_col == 0/g, by: "diff_line == 0", places: 1 },
  { file: "quickjs.c", what: /dbuf_put_sleb128\(&s->pc2line, diff_col\);/g, by: "", places: 1 },
  {
    file: "quickjs.c",
    what: /ret = get_leb128\(&val, p, p_end\);\s+if \(ret < 0\)\s+goto fail;\s+p \+= ret;\s+col_num = val \+ 1;/g,
    by: "col_num = 1;",
    places: 2,
  },
  {
    file: "quickjs.c",
    what: /ret = get_sleb128\(&v, p, p_end\);\s+if \(ret < 0\)\s+goto fail;\s+p \+= ret;\s+new_col_num = col_num \+ v;/g,
    by: "new_col_num = col_num;",
    places: 1,
  },
  { file: "quickjs.c", what: /":%d:%d", line_num1, col_num1/g, by: '":%d", line_num1', places: 1 },
  // Functions are almost never freed, so their tables lie next to each other.
  {
    file: "quickjs.c",
    what: /b->debug\.pc2line_buf = js_mallocz\(/g,
    by: "b->debug.pc2line_buf = JS_AllocateLines(",
    places: 1,
  },
  { file: "quickjs.c", what: /js_free_rt\(rt, b->debug\.pc2line_buf\);/g, by: "", places: 1 },
  ...hot.map(madeFast),
];

/** @throws Error if the sources are not those that the changes are for */
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
