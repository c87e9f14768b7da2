/* Starts the engine and runs the module that the name of the program asks for. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

#define STATUS_INTERNAL 70

/*
 * Descriptors 0 to 2 must be taken, or the first files we open land there and get a stranger's output. A kernel's
 * first process may find no /dev/null; a path descriptor fails every read and write instead.
 */
static void fill_standard_descriptors(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0 && open("/", O_PATH | O_DIRECTORY) < 0)
      return;
}

static const struct engine_module *module_for(const char *program) {
  const char *slash = program == NULL ? NULL : strrchr(program, '/');
  const char *name = slash == NULL ? program : slash + 1;
  for (size_t i = 0; name != NULL && i < engine_module_count; i++)
    if (strcmp(engine_modules[i].name, name) == 0)
      return &engine_modules[i];
  return &engine_modules[0];
}

int main(int argc, char **argv) {
  fill_standard_descriptors();
  /* A peer that went away is EPIPE of the write that notices. */
  signal(SIGPIPE, SIG_IGN);
  native_module_arguments(argv);
  JSContext *ctx = engine_start();
  if (ctx == NULL) {
    dprintf(STDERR_FILENO, "kumite: internal error: the JavaScript engine did not start\n");
    return STATUS_INTERNAL;
  }
  JSValue evaluation = engine_evaluate(ctx, module_for(argc > 0 ? argv[0] : NULL));
  if (JS_IsException(evaluation)) {
    JSValue error = JS_GetException(ctx);
    engine_print_error(ctx, error);
    return STATUS_INTERNAL;
  }
  /* Straight out: the kernel frees faster than we could. */
  _exit(loop_run(ctx, evaluation));
}
