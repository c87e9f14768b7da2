/*
 * QuickJS with what its interface lacks: for images of its heap (image.c), and for the compiler of bytecode. Compiled in place of quickjs.c, from the
 * directory of its sources.
 */
#define JS_COUNT_UP(object) ((void)(JS_IsKept(object) || (object)->header.ref_count++))
/* What is left. */
#define JS_COUNT_DOWN(object) (JS_IsKept(object) ? 1 : --(object)->header.ref_count)
#define JS_IS_SHARED(object) (JS_IsKept(object) || (object)->header.ref_count != 1)

#include "quickjs.c"

#include "quickjs-additions.h"

const char *JS_kept_end;

void JS_KeepBelow(const char *end) { JS_kept_end = end; }

void JS_KeepForever(JSRuntime *rt) {
  struct list_head *head = &rt->gc_obj_list;
  /* A ring without a head: an object of it can still leave it when its last reference goes. */
  list_del(head);
  init_list_head(head);
}

void JS_SeedRandom(JSContext *ctx, uint64_t seed) {
  /* The generator's only forbidden state. */
  ctx->random_state = seed == 0 ? 1 : seed;
}

static void drop_variable_names(JSValueConst value) {
  if (JS_VALUE_GET_TAG(value) != JS_TAG_FUNCTION_BYTECODE)
    return;
  JSFunctionBytecode *function = JS_VALUE_GET_PTR(value);
  function->vardefs = NULL;
  for (int i = 0; i < function->cpool_count; i++)
    drop_variable_names(function->cpool[i]);
}

void JS_DropVariableNames(JSValueConst module) {
  drop_variable_names(((JSModuleDef *)JS_VALUE_GET_PTR(module))->func_obj);
}
