/*
 * Compiles one bundled module to QuickJS bytecode: compile-bytecode <module name> <source> <output> [<other
 * module>...]. Build tool only. The result lacks the source text and the names of variables; names of functions and
 * line numbers stay for stack traces.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs-additions.h"
#include "quickjs.h"

static void fail(const char *what, const char *name) {
  fprintf(stderr, "compile-bytecode: %s %s: %s\n", what, name, strerror(errno));
  exit(1);
}

static void fail_with_exception(JSContext *ctx, const char *name) {
  JSValue error = JS_GetException(ctx), stack = JS_GetPropertyStr(ctx, error, "stack");
  const char *text = JS_ToCString(ctx, error), *where = JS_ToCString(ctx, stack);
  fprintf(stderr, "compile-bytecode: %s: %s\n%s\n", name, text ? text : "?", where ? where : "");
  exit(1);
}

static int nothing(JSContext *ctx, JSModuleDef *module) {
  (void)ctx, (void)module;
  return 0;
}

/* Other modules of the executable, of which only the names are needed here. Everything else must be in the bundle. */
static JSModuleDef *load_named(JSContext *ctx, const char *name, void *opaque) {
  if (strncmp(name, "kumite:", 7) == 0)
    return JS_NewCModule(ctx, name, nothing);
  for (char **other = opaque; *other != NULL; other++)
    if (strcmp(*other, name) == 0)
      return JS_NewCModule(ctx, name, nothing);
  JS_ThrowReferenceError(ctx, "the bundle imports %s, which the engine does not have", name);
  return NULL;
}

static char *read_all(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0)
    fail("read", path);
  long length = ftell(file);
  char *text = length < 0 ? NULL : malloc((size_t)length + 1);
  rewind(file);
  if (text == NULL || fread(text, 1, (size_t)length, file) != (size_t)length)
    fail("read", path);
  fclose(file);
  /* The parser needs a NUL after the text. */
  text[length] = 0;
  *size = (size_t)length;
  return text;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: compile-bytecode <module name> <source> <output> [<other module>...]\n");
    return 2;
  }
  size_t size, code_size;
  char *text = read_all(argv[2], &size);
  JSRuntime *runtime = JS_NewRuntime();
  JSContext *ctx = JS_NewContext(runtime);
  JS_SetStripInfo(runtime, JS_STRIP_SOURCE);
  JS_SetModuleLoaderFunc(runtime, NULL, load_named, argv + 4);
  JSValue module = JS_Eval(ctx, text, size, argv[1], JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(module))
    fail_with_exception(ctx, argv[1]);
  JS_DropVariableNames(module);
  uint8_t *code = JS_WriteObject(ctx, &code_size, module, JS_WRITE_OBJ_BYTECODE);
  if (code == NULL)
    fail_with_exception(ctx, argv[1]);
  FILE *file = fopen(argv[3], "wb");
  if (file == NULL || fwrite(code, 1, code_size, file) != code_size || fclose(file) != 0)
    fail("write", argv[3]);
  return 0;
}
