/*
 * QuickJS with additions for images of its heap (image.c) and for the bytecode compiler. Compiled in place of
 * quickjs.c, in the directory of its sources.
 */
#define JS_COUNT_UP(object) ((void)(JS_IsKept(object) || (object)->header.ref_count++))
/* Returns the remaining count. */
#define JS_COUNT_DOWN(object) (JS_IsKept(object) ? 1 : --(object)->header.ref_count)
#define JS_IS_SHARED(object) (JS_IsKept(object) || (object)->header.ref_count != 1)

#include "quickjs.h"

/* Allocates the line table of a function that is being loaded (tools/engine/quickjs-changes.ts). */
static uint8_t *JS_AllocateLines(JSContext *ctx, size_t size);

#include "quickjs.c"

#include "quickjs-additions.h"

/* The largest block without wasted space (allocator.c). */
#define LINES_AT_ONCE 496

static uint8_t *lines_at, *lines_end;

static uint8_t *JS_AllocateLines(JSContext *ctx, size_t size) {
  if (size > (size_t)(lines_end - lines_at)) {
    if (size > LINES_AT_ONCE / 2)
      return js_malloc(ctx, size);
    uint8_t *block = js_malloc(ctx, LINES_AT_ONCE);
    if (block == NULL)
      return NULL;
    lines_at = block;
    lines_end = block + LINES_AT_ONCE;
  }
  uint8_t *lines = lines_at;
  lines_at += size;
  return lines;
}

const char *JS_kept_end;

void JS_KeepBelow(const char *end) { JS_kept_end = end; }

void JS_KeepForever(JSRuntime *rt) {
  struct list_head *head = &rt->gc_obj_list;
  /* Leaves a ring without a head, so that an object can still be removed from it when its last reference goes. */
  list_del(head);
  init_list_head(head);
}

void JS_SeedRandom(JSContext *ctx, uint64_t seed) {
  /* 0 is the only state that the generator must not have. */
  ctx->random_state = seed == 0 ? 1 : seed;
}

static void drop_variable_names(JSValueConst value) {
  if (JS_VALUE_GET_TAG(value) != JS_TAG_FUNCTION_BYTECODE)
    return;
  JSFunctionBytecode *function = JS_VALUE_GET_PTR(value);
  function->vardefs = NULL;
  for (int i = 0; i < function->closure_var_count; i++)
    function->closure_var[i].var_name = JS_ATOM_NULL;
  for (int i = 0; i < function->cpool_count; i++)
    drop_variable_names(function->cpool[i]);
}

void JS_DropVariableNames(JSValueConst module) {
  drop_variable_names(((JSModuleDef *)JS_VALUE_GET_PTR(module))->func_obj);
}
