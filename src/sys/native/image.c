/*
 * The JavaScript heap that the executable was built with: all code is loaded, every module is evaluated. Doing that
 * takes most of the time of a start, so the executable does it once before it is complete (tools/engine/executable.ts),
 * and the result becomes a section of it. The section lies at the address where it was created, since it is full of
 * pointers. Some of these point into the executable, which is linked statically and does not move.
 *
 * Only the heap is saved. That is sufficient, because the evaluation of a module must not depend on the process;
 * `native_set_main` is for everything that does.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine.h"
#include "quickjs-additions.h"

#define PAGE 4096
/* Address space for creating it, far more than the modules of a program can need. */
#define IMAGE_MAX (64u << 20)

/* At the beginning of the image. */
struct image {
  JSContext *ctx;
  JSValue evaluation;
  struct loop_state loop;
};

static struct image *image_at(void) { return (struct image *)(uintptr_t)ENGINE_IMAGE_ADDRESS; }

bool image_is_present(void) { return engine_image_size != 0; }

JSContext *image_open(JSValue *evaluation) {
  struct image *image = image_at();
  char *end = (char *)image + engine_image_size;
  allocator_restore(end);
  JS_KeepBelow(end);
  engine_limit_stack(image->ctx);
  uint64_t seed = 0;
  const void *random = (const void *)getauxval(AT_RANDOM);
  if (random != NULL)
    memcpy(&seed, random, sizeof seed);
  JS_SeedRandom(image->ctx, seed);
  *evaluation = image->evaluation;
  return loop_restore(image->ctx, &image->loop) < 0 ? NULL : image->ctx;
}

static int fail(const char *what) {
  dprintf(STDERR_FILENO, "kumite: no image of the heap can be made: %s\n", what);
  return 1;
}

static int write_out(const char *at, size_t size) {
  while (size > 0) {
    ssize_t count = write(STDOUT_FILENO, at, size);
    if (count <= 0)
      return fail("it cannot be written");
    at += count;
    size -= (size_t)count;
  }
  return 0;
}

int image_make(const struct engine_module *module) {
  struct image *image = image_at();
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (image_is_present())
    return fail("there is one already");
  if (mmap(image, IMAGE_MAX, PROT_READ | PROT_WRITE, flags, -1, 0) != image)
    return fail("its place is taken");
  allocator_place((char *)(image + 1), (char *)image + IMAGE_MAX);
  image->ctx = engine_start();
  if (image->ctx == NULL)
    return fail("the engine did not start");
  image->evaluation = engine_evaluate(image->ctx, module);
  if (JS_IsException(image->evaluation)) {
    engine_print_error(image->ctx, JS_GetException(image->ctx));
    return fail("its modules do not load");
  }
  const char *problem = loop_save(image->ctx, image->evaluation, &image->loop);
  if (problem != NULL)
    return fail(problem);
  JSRuntime *runtime = JS_GetRuntime(image->ctx);
  JS_RunGC(runtime);
  JS_KeepForever(runtime);
  engine_limit_garbage(image->ctx);
  size_t size = (size_t)(allocator_save(PAGE) - (char *)image);
  return write_out((const char *)image, size);
}
