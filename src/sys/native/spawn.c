/*
 * Starts a child at the cost of vfork: until its exec the child borrows this process's memory, so what it does is
 * prepared as data.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "filters.h"
#include "process.h"

#define STEPS_MAX 160
#define CHILD_STACK (64 * 1024)

/* Prepared system calls. The child makes them in order and must not run JavaScript; the first failure ends it. */
struct spawn {
  struct program program;
  struct prepared_call step[STEPS_MAX];
  struct borrowed text[STEPS_MAX];
  JSValue held[STEPS_MAX];
  uint32_t step_count;
  /* Written by the child, in this process's memory. */
  volatile int failed_step;
  volatile int failed_errno;
};

/*
 * Steps that are not system calls:
 * - REQUIRE_PARENT fails with ESRCH unless the parent is the expected one (see the parent-death signal in prctl(2)).
 * - SET_FILTER sets a seccomp filter (flags, length, instructions) under which all later steps run.
 * - DROP_BOUNDING removes capabilities from the bounding set, given as the low and the high half.
 * - OWN_USER has the arguments of `own_user_become`.
 */
#define REQUIRE_PARENT (-1)
#define SET_FILTER (-2)
#define DROP_BOUNDING (-3)
#define OWN_USER (-4)

static int filter_make(const struct prepared_call *step) {
  struct seccomp_filter filter = {.flags = (unsigned)step->argument[0],
                                  .count = (unsigned short)step->argument[1],
                                  .instructions = (const void *)step->argument[2]};
  return seccomp_filter_set(&filter);
}

static long step_make(const struct prepared_call *step) {
  if (step->number == SET_FILTER)
    return filter_make(step);
  if (step->number == DROP_BOUNDING)
    return bounding_drop((uint32_t)step->argument[0], (uint32_t)step->argument[1]);
  if (step->number == OWN_USER)
    return own_user_become((uint32_t)step->argument[0], (uint32_t)step->argument[1]);
  if (step->number == REQUIRE_PARENT)
    return getppid() == step->argument[0] ? 0 : -ESRCH;
  return call_make(step);
}

static int spawn_child(void *opaque) {
  struct spawn *spawn = opaque;
  signals_reset();
  uint32_t at;
  for (at = 0; at < spawn->step_count; at++) {
    long result = step_make(&spawn->step[at]);
    if (result < 0) {
      spawn->failed_errno = (int)-result;
      break;
    }
  }
  if (at == spawn->step_count) {
    execve(spawn->program.path, spawn->program.argv, spawn->program.env);
    spawn->failed_errno = errno;
  }
  spawn->failed_step = (int)at;
  process_end(127);
}

#define ARGUMENTS_MAX 10

static int require_parent_take(JSContext *ctx, int argc, JSValueConst *argv, struct prepared_call *out) {
  int pid;
  if (argc != 1) {
    JS_ThrowTypeError(ctx, "requireParent takes 1 argument");
    return -1;
  }
  if (arg_int32(ctx, argv[0], &pid) < 0)
    return -1;
  *out = (struct prepared_call){.number = REQUIRE_PARENT, .argument = {pid}};
  return 0;
}

static int filter_take(JSContext *ctx, int argc, JSValueConst *argv, struct prepared_call *out) {
  struct seccomp_filter filter;
  if (argc != 2) {
    JS_ThrowTypeError(ctx, "seccomp takes 2 arguments");
    return -1;
  }
  if (seccomp_filter_take(ctx, argv[0], argv[1], &filter) < 0)
    return -1;
  *out = (struct prepared_call){.number = SET_FILTER,
                                .argument = {(long)filter.flags, filter.count, (long)filter.instructions}};
  return 0;
}

/* Reads a step of this file that takes two integers. */
static int pair_take(JSContext *ctx, const char *name, long number, int argc, JSValueConst *argv,
                     struct prepared_call *out) {
  int64_t pair[2];
  if (argc != 2) {
    JS_ThrowTypeError(ctx, "%s takes 2 arguments", name);
    return -1;
  }
  if (arg_integer(ctx, argv[0], &pair[0]) < 0 || arg_integer(ctx, argv[1], &pair[1]) < 0)
    return -1;
  *out = (struct prepared_call){.number = number, .argument = {(long)pair[0], (long)pair[1]}};
  return 0;
}

static int named_step_take(JSContext *ctx, struct spawn *spawn, uint32_t at, const char *name, int argc,
                           JSValueConst *argv) {
  if (strcmp(name, "dropBounding") == 0)
    return pair_take(ctx, name, DROP_BOUNDING, argc, argv, &spawn->step[at]);
  if (strcmp(name, "ownUser") == 0)
    return pair_take(ctx, name, OWN_USER, argc, argv, &spawn->step[at]);
  if (strcmp(name, "requireParent") == 0)
    return require_parent_take(ctx, argc, argv, &spawn->step[at]);
  if (strcmp(name, "seccomp") == 0)
    return filter_take(ctx, argc, argv, &spawn->step[at]);
  int index = call_find(name);
  if (index >= 0)
    return call_prepare(&spawn->text[at], (size_t)index, argc, argv, &spawn->step[at]);
  JS_ThrowTypeError(ctx, "no system call is named %s", name);
  return -1;
}

/*
 * Reads one step: [name, ...arguments]. The array keeps the arguments alive until the child has executed its program.
 */
static int step_take(JSContext *ctx, struct spawn *spawn, uint32_t at, JSValueConst step) {
  JSValue argument[ARGUMENTS_MAX];
  uint32_t count, taken = 0;
  int failed = -1;
  if (arg_array_length(ctx, step, ARGUMENTS_MAX, &count) < 0)
    return -1;
  for (; taken < count; taken++) {
    argument[taken] = JS_GetPropertyUint32(ctx, step, taken);
    if (JS_IsException(argument[taken]))
      goto out;
  }
  const char *name = JS_ToCString(ctx, count == 0 ? JS_UNDEFINED : argument[0]);
  if (name != NULL)
    failed = named_step_take(ctx, spawn, at, name, (int)count - 1, argument + 1);
  JS_FreeCString(ctx, name);
out:
  for (uint32_t i = 0; i < taken; i++)
    JS_FreeValue(ctx, argument[i]);
  return failed;
}

static int steps_take(JSContext *ctx, struct spawn *spawn, JSValueConst steps) {
  uint32_t count;
  if (arg_array_length(ctx, steps, STEPS_MAX, &count) < 0)
    return -1;
  for (uint32_t i = 0; i < count; i++) {
    spawn->text[i].ctx = ctx;
    spawn->held[i] = JS_GetPropertyUint32(ctx, steps, i);
    spawn->step_count = i + 1;
    int failed = JS_IsException(spawn->held[i]) ? -1 : step_take(ctx, spawn, i, spawn->held[i]);
    if (failed != 0)
      return failed;
  }
  return 0;
}

static void spawn_release(JSContext *ctx, struct spawn *spawn) {
  for (uint32_t i = 0; i < spawn->step_count; i++) {
    borrowed_release(&spawn->text[i]);
    JS_FreeValue(ctx, spawn->held[i]);
  }
  program_release(&spawn->program);
  js_free(ctx, spawn);
}

static long spawn_run(struct spawn *spawn, long flags) {
  static char *stack;
  if (stack == NULL) {
    stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
      stack = NULL;
      return -errno;
    }
  }
  /* No signal handler may run in the child, which shares this process's memory, before signals are reset. */
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  spawn->failed_step = -1;
  int pid = clone(spawn_child, stack + CHILD_STACK, (int)flags | CLONE_VM | CLONE_VFORK | SIGCHLD, spawn);
  long result = pid < 0 ? -errno : pid;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (pid > 0 && spawn->failed_step >= 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
      ;
  return result;
}

/*
 * spawn(flags, steps, path, argv, env) -> [pid or negated errno, failed step]
 * The failed step is -1 if the fork itself failed, and the number of steps if execve did.
 */
JSValue native_spawn(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  long flags;
  if (argc != 5)
    return JS_ThrowTypeError(ctx, "spawn takes 5 arguments");
  if (fork_flags(ctx, argv[0], &flags) < 0)
    return JS_EXCEPTION;
  struct spawn *spawn = js_mallocz(ctx, sizeof *spawn);
  if (spawn == NULL)
    return JS_EXCEPTION;
  spawn->program.ctx = ctx;
  long outcome = steps_take(ctx, spawn, argv[1]);
  int failed_step = (int)spawn->step_count - 1;
  if (outcome == 0) {
    outcome = program_take(&spawn->program, argv + 2);
    failed_step = (int)spawn->step_count;
  }
  if (outcome == 0) {
    outcome = spawn_run(spawn, flags);
    failed_step = outcome < 0 ? -1 : spawn->failed_step;
    if (failed_step >= 0)
      outcome = -spawn->failed_errno;
  }
  spawn_release(ctx, spawn);
  if (outcome == -1 && JS_HasException(ctx))
    return JS_EXCEPTION;
  JSValue result = JS_NewArray(ctx);
  if (JS_IsException(result) || JS_SetPropertyUint32(ctx, result, 0, JS_NewInt64(ctx, outcome)) < 0 ||
      JS_SetPropertyUint32(ctx, result, 1, JS_NewInt32(ctx, failed_step)) < 0) {
    JS_FreeValue(ctx, result);
    return JS_EXCEPTION;
  }
  return result;
}
