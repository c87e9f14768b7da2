/* The JavaScript runtime: its features and its limits. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "engine.h"

/*
 * Far more than any process here needs; a runaway process fails with an exception instead of using up the system's
 * memory.
 */
#define MEMORY_LIMIT (256u << 20)
#define STACK_MAX (1u << 20)
/*
 * With QuickJS's larger default, garbage would take up to twice the memory. Collecting a heap of 256 KiB takes well
 * under 1 ms.
 */
#define GC_THRESHOLD (256u << 10)
/* What loading allocates stays in use, so collecting garbage meanwhile would find none. */
#define GC_NEVER ((size_t)-1)

/* The stack for JavaScript; the rest is for C below and above it. */
static size_t stack_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 2 < STACK_MAX)
    return limit.rlim_cur / 2;
  return STACK_MAX;
}

void engine_limit_stack(JSContext *ctx) {
  JSRuntime *runtime = JS_GetRuntime(ctx);
  JS_UpdateStackTop(runtime);
  JS_SetMaxStackSize(runtime, stack_limit());
}

void engine_limit_garbage(JSContext *ctx) {
  /* The formula that QuickJS itself uses after each collection: half as much again. */
  size_t threshold = allocator_in_use() / 2 * 3;
  JS_SetGCThreshold(JS_GetRuntime(ctx), threshold > GC_THRESHOLD ? threshold : GC_THRESHOLD);
}

static JSValue read_module(JSContext *ctx, const struct engine_module *module) {
  size_t size = module->unpacked_size;
  if (size == 0)
    return JS_ReadObject(ctx, module->code, (size_t)(module->end - module->code), JS_READ_OBJ_BYTECODE);
  uint8_t *code = js_malloc(ctx, size);
  if (code == NULL)
    return JS_EXCEPTION;
  JSValue object = unpack(module->code, module->end, code, size)
                       ? JS_ReadObject(ctx, code, size, JS_READ_OBJ_BYTECODE)
                       : JS_ThrowInternalError(ctx, "the code of %s is not whole", module->name);
  js_free(ctx, code);
  return object;
}

/* Loads a module that another one imports; with `import()`, when that is executed. */
static JSModuleDef *load_module(JSContext *ctx, const char *name, void *opaque) {
  (void)opaque;
  for (size_t i = 0; i < engine_module_count; i++) {
    if (strcmp(engine_modules[i].name, name) != 0)
      continue;
    JSValue object = read_module(ctx, &engine_modules[i]);
    if (JS_IsException(object))
      return NULL;
    JSModuleDef *module = JS_VALUE_GET_PTR(object);
    /* The context holds a reference. */
    JS_FreeValue(ctx, object);
    return module;
  }
  JS_ThrowReferenceError(ctx, "there is no module %s", name);
  return NULL;
}

JSContext *engine_start(void) {
  JSRuntime *runtime = JS_NewRuntime2(&engine_allocator, NULL);
  if (runtime == NULL)
    return NULL;
  JS_SetMemoryLimit(runtime, MEMORY_LIMIT);
  JS_SetModuleLoaderFunc(runtime, NULL, load_module, NULL);
  JSContext *ctx = JS_NewContextRaw(runtime);
  if (ctx == NULL)
    return NULL;
  engine_limit_stack(ctx);
  /* Everything except eval: code comes only as bytecode, so the linker can drop the parser. */
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicDate(ctx);
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
  JS_AddIntrinsicMapSet(ctx);
  JS_AddIntrinsicTypedArrays(ctx);
  JS_AddIntrinsicPromise(ctx);
  for (engine_feature *const *adds = engine_features; *adds != NULL; adds++)
    (*adds)(ctx);
  return native_module_register(ctx) < 0 || loop_init(ctx) < 0 ? NULL : ctx;
}

static JSValue load_and_evaluate(JSContext *ctx, const struct engine_module *module) {
  JSValue object = read_module(ctx, module);
  if (JS_IsException(object))
    return object;
  if (JS_ResolveModule(ctx, object) < 0) {
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
  }
  return JS_EvalFunction(ctx, object);
}

JSValue engine_evaluate(JSContext *ctx, const struct engine_module *module) {
  JS_SetGCThreshold(JS_GetRuntime(ctx), GC_NEVER);
  JSValue evaluation = load_and_evaluate(ctx, module);
  engine_limit_garbage(ctx);
  return evaluation;
}

static void print_value(JSContext *ctx, JSValueConst value) {
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, value);
  if (text == NULL) {
    JS_FreeValue(ctx, JS_GetException(ctx));
    return;
  }
  /* If descriptor 2 does not take it, the error cannot be reported at all. */
  ssize_t ignored = write(STDERR_FILENO, text, length);
  ignored = write(STDERR_FILENO, "\n", 1);
  (void)ignored;
  JS_FreeCString(ctx, text);
}

void engine_print_error(JSContext *ctx, JSValueConst error) {
  /* Thrown when there is no memory for an error object. */
  if (JS_IsNull(error)) {
    dprintf(STDERR_FILENO, "kumite: internal error: out of memory\n");
    return;
  }
  dprintf(STDERR_FILENO, "kumite: internal error%s: ", allocator_has_run_out() ? " after it was out of memory" : "");
  print_value(ctx, error);
  if (!JS_IsObject(error))
    return;
  JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
  if (JS_IsString(stack))
    print_value(ctx, stack);
  JS_FreeValue(ctx, stack);
}

/* collectGarbage(bytes that may be allocated before the next collection) */
JSValue native_collect_garbage(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int64_t room = 0;
  if (argc > 0 && JS_ToInt64(ctx, &room, argv[0]) < 0)
    return JS_EXCEPTION;
  JS_RunGC(JS_GetRuntime(ctx));
  engine_limit_garbage(ctx);
  if (room > 0)
    JS_SetGCThreshold(JS_GetRuntime(ctx), allocator_in_use() + (size_t)room);
  return JS_UNDEFINED;
}

JSValue native_limit_memory(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self, (void)argc;
  int64_t most, least;
  if (JS_ToInt64(ctx, &most, argv[0]) < 0 || JS_ToInt64(ctx, &least, argv[1]) < 0)
    return JS_EXCEPTION;
  struct sysinfo machine;
  int64_t limit = most;
  if (sysinfo(&machine) == 0 && (int64_t)(machine.totalram / 4 * machine.mem_unit) < most)
    limit = (int64_t)(machine.totalram / 4 * machine.mem_unit);
  JS_SetMemoryLimit(JS_GetRuntime(ctx), (size_t)(limit < least ? least : limit));
  return JS_UNDEFINED;
}

/* memoryUsed() -> bytes in use by JavaScript */
JSValue native_memory_used(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self, (void)argc, (void)argv;
  JSMemoryUsage usage;
  JS_ComputeMemoryUsage(JS_GetRuntime(ctx), &usage);
  return JS_NewInt64(ctx, usage.malloc_size);
}

JSValue native_memory_has_run_out(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self, (void)argc, (void)argv;
  return JS_NewBool(ctx, allocator_has_run_out());
}
