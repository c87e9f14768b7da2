/* Starts the engine and runs the module for the name under which the program was called. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

#define STATUS_INTERNAL 70

/*
 * Descriptors 0 to 2 must be in use. Otherwise the first files that are opened get these numbers, and somebody's
 * output. The kernel's first process may have no /dev/null; an O_PATH descriptor makes all reads and writes fail
 * instead.
 */
static void fill_standard_descriptors(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0 && open("/", O_PATH | O_DIRECTORY) < 0)
      return;
}

/* Under this name, the program writes an image of its default module's heap instead of running it. For the build. */
#define IMAGE_MAKER "make-image"

static const char *name_of(const char *program) {
  const char *slash = program == NULL ? NULL : strrchr(program, '/');
  return slash != NULL ? slash + 1 : program == NULL ? "" : program;
}

static const struct engine_module *module_for(const char *name) {
  for (size_t i = 0; i < engine_module_count; i++)
    if (strcmp(engine_modules[i].name, name) == 0)
      return &engine_modules[i];
  return &engine_modules[0];
}

static int not_started(void) {
  dprintf(STDERR_FILENO, "kumite: internal error: the JavaScript engine did not start\n");
  return STATUS_INTERNAL;
}

static int run_module(const struct engine_module *module) {
  JSValue evaluation = JS_UNDEFINED;
  JSContext *ctx = module->starts_from_image ? image_open(&evaluation) : engine_start();
  if (ctx == NULL)
    return not_started();
  if (!module->starts_from_image || module != &engine_modules[0]) {
    loop_forget_main(ctx);
    evaluation = engine_evaluate(ctx, module);
  }
  if (JS_IsException(evaluation)) {
    engine_print_error(ctx, JS_GetException(ctx));
    return STATUS_INTERNAL;
  }
  return loop_run(ctx, evaluation);
}

int main(int argc, char **argv) {
  fill_standard_descriptors();
  /* A write to a closed peer fails with EPIPE instead. */
  signal(SIGPIPE, SIG_IGN);
  native_module_arguments(argv);
  const char *name = name_of(argc > 0 ? argv[0] : NULL);
  if (strcmp(name, IMAGE_MAKER) == 0)
    return image_make(&engine_modules[0]);
  /* Exits without cleaning up: the kernel frees memory faster. */
  _exit(run_module(module_for(name)));
}
