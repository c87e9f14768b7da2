/* Birth and end of processes. The engine has one thread, so the C library needs no care across fork. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "filters.h"

#define STEPS_MAX 48
#define TEXTS_MAX 65536
#define CHILD_STACK (64 * 1024)

/* The flags that make namespaces or choose the parent; no sharing of memory or descriptors with a second JavaScript. */
#define FORK_FLAGS                                                                                                   \
  (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP |        \
   CLONE_PARENT)

void signals_reset(void) {
  sigset_t none;
  for (int number = 1; number < _NSIG; number++)
    signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

JSValue native_reset_signals(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)ctx, (void)self, (void)argc, (void)argv;
  signals_reset();
  return JS_UNDEFINED;
}

/* Takes the capabilities with these bits from the bounding set; 0 or a negated errno. */
static int bounding_drop(uint32_t low, uint32_t high) {
  for (unsigned long number = 0; number < 64; number++) {
    if (((number < 32 ? low : high) >> (number % 32) & 1) == 0 || prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0)
      continue;
    /* Beyond the last capability that the kernel knows. */
    return errno == EINVAL ? 0 : -errno;
  }
  return 0;
}

/* dropBounding(low, high): 0 or a negated errno. */
JSValue native_drop_bounding(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int64_t half[2];
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "dropBounding takes 2 arguments");
  if (arg_integer(ctx, argv[0], &half[0]) < 0 || arg_integer(ctx, argv[1], &half[1]) < 0)
    return JS_EXCEPTION;
  return result_of(ctx, bounding_drop((uint32_t)half[0], (uint32_t)half[1]));
}

/*
 * Makes this process a user and a group that no other has: `first` plus its pid, with `group` beside them unless that is 0.
 * Returns 0 or a negated errno. The plain calls: the C library would look after threads in the parent's memory.
 */
static int own_user_become(uint32_t first, uint32_t group) {
  uint32_t id = first + (uint32_t)getpid();
  if (syscall(SYS_setgroups, group == 0 ? 0 : 1, &group) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
      syscall(SYS_setresuid, id, id, id) < 0)
    return -errno;
  return 0;
}

/* ownUser(first, group): 0 or a negated errno. */
JSValue native_own_user(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int64_t first, group;
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "ownUser takes 2 arguments");
  if (arg_integer(ctx, argv[0], &first) < 0 || arg_integer(ctx, argv[1], &group) < 0)
    return JS_EXCEPTION;
  return result_of(ctx, own_user_become((uint32_t)first, (uint32_t)group));
}

JSValue native_exit(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int status;
  if (argc != 1 || arg_int32(ctx, argv[0], &status) < 0)
    return JS_EXCEPTION;
  _exit(status);
}

static int fork_flags(JSContext *ctx, JSValueConst value, long *out) {
  int64_t flags;
  if (arg_integer(ctx, value, &flags) < 0)
    return -1;
  if ((flags & ~(int64_t)FORK_FLAGS) != 0) {
    JS_ThrowRangeError(ctx, "flags 0x%llx share more than a fork may", (unsigned long long)flags);
    return -1;
  }
  *out = (long)flags;
  return 0;
}

/* fork(flags) -> pid, or 0 in the child, which must end with execve or exit: the event loop is its parent's. */
JSValue native_fork(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  long flags;
  if (argc != 1)
    return JS_ThrowTypeError(ctx, "fork takes 1 argument");
  if (fork_flags(ctx, argv[0], &flags) < 0)
    return JS_EXCEPTION;
  long result = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (result == 0)
    loop_disown();
  return result_of(ctx, result < 0 ? -errno : result);
}

/* clone_args of linux/sched.h, up to the member we need; the C library's headers lack it. */
struct birth {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define BIRTH_INTO_CGROUP 0x200000000ULL

/* The child soon becomes another program: a look for garbage would only make it copy its parent's memory. */
static void become_birth(JSContext *ctx) {
  loop_disown();
  allocator_forked();
  JS_SetGCThreshold(JS_GetRuntime(ctx), (size_t)-1);
}

/* forkInto(flags, cgroup directory) -> as fork; no migration afterwards, which costs a grace period of the kernel. */
JSValue native_fork_into(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  long flags;
  int cgroup;
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "forkInto takes 2 arguments");
  if (fork_flags(ctx, argv[0], &flags) < 0 || arg_int32(ctx, argv[1], &cgroup) < 0)
    return JS_EXCEPTION;
  struct birth birth = {
      .flags = (uint64_t)flags | BIRTH_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)(uint32_t)cgroup};
  long result = syscall(SYS_clone3, &birth, sizeof birth);
  if (result == 0)
    become_birth(ctx);
  return result_of(ctx, result < 0 ? -errno : result);
}

/* --- programs -------------------------------------------------------------------------------------------------- */

struct program {
  JSContext *ctx;
  struct borrowed path_text;
  const char *path;
  char **argv;
  char **env;
};

static void texts_free(JSContext *ctx, char **texts) {
  if (texts == NULL)
    return;
  for (size_t i = 0; texts[i] != NULL; i++)
    js_free(ctx, texts[i]);
  js_free(ctx, texts);
}

/* A NULL-terminated copy of an array of strings; results as for arg_text. */
static int texts_take(JSContext *ctx, JSValueConst array, char ***out) {
  uint32_t count;
  if (arg_array_length(ctx, array, TEXTS_MAX, &count) < 0)
    return -1;
  *out = js_mallocz(ctx, sizeof(char *) * (count + 1));
  if (*out == NULL)
    return -1;
  for (uint32_t i = 0; i < count; i++) {
    struct borrowed borrowed = {.ctx = ctx};
    const char *text;
    JSValue value = JS_GetPropertyUint32(ctx, array, i);
    int failed = JS_IsException(value) ? -1 : arg_text(&borrowed, value, &text);
    if (failed == 0 && ((*out)[i] = js_strdup(ctx, text)) == NULL)
      failed = -1;
    borrowed_release(&borrowed);
    JS_FreeValue(ctx, value);
    if (failed != 0)
      return failed;
  }
  return 0;
}

static int program_take(struct program *program, JSValueConst *argv) {
  program->path_text.ctx = program->ctx;
  int failed = texts_take(program->ctx, argv[1], &program->argv);
  if (failed == 0)
    failed = texts_take(program->ctx, argv[2], &program->env);
  return failed == 0 ? arg_text(&program->path_text, argv[0], &program->path) : failed;
}

static void program_release(struct program *program) {
  borrowed_release(&program->path_text);
  texts_free(program->ctx, program->argv);
  texts_free(program->ctx, program->env);
}

/* execve(path, argv, env) -> the negated errno, or nothing at all. */
JSValue native_execve(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  struct program program = {.ctx = ctx};
  if (argc != 3)
    return JS_ThrowTypeError(ctx, "execve takes 3 arguments");
  int failed = program_take(&program, argv);
  if (failed == 0) {
    execve(program.path, program.argv, program.env);
    failed = -errno;
  }
  program_release(&program);
  return failed == -1 && JS_HasException(ctx) ? JS_EXCEPTION : result_of(ctx, failed);
}

/*
 * execveFiltered(flags, filter, path, argv, env) -> [negated errno, whether the filter was set], or nothing at all.
 * Everything is prepared before: under the filter only execve is called.
 */
JSValue native_execve_filtered(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  struct program program = {.ctx = ctx};
  struct seccomp_filter filter;
  bool is_set = false;
  if (argc != 5)
    return JS_ThrowTypeError(ctx, "execveFiltered takes 5 arguments");
  int failed = program_take(&program, argv + 2);
  if (failed == 0 && seccomp_filter_take(ctx, argv[0], argv[1], &filter) < 0)
    failed = -1;
  else if (failed == 0 && (failed = seccomp_filter_set(&filter)) == 0) {
    is_set = true;
    execve(program.path, program.argv, program.env);
    failed = -errno;
  }
  program_release(&program);
  if (failed == -1 && JS_HasException(ctx))
    return JS_EXCEPTION;
  JSValue result = JS_NewArray(ctx);
  if (JS_IsException(result) || JS_SetPropertyUint32(ctx, result, 0, result_of(ctx, failed)) < 0 ||
      JS_SetPropertyUint32(ctx, result, 1, JS_NewBool(ctx, is_set)) < 0) {
    JS_FreeValue(ctx, result);
    return JS_EXCEPTION;
  }
  return result;
}

/* --- spawn ----------------------------------------------------------------------------------------------------- */

/*
 * A child at the price of vfork: it borrows our memory until it executes, so it must run no JavaScript. What it has to
 * do first is a list of prepared system calls, made in order; the first that fails ends it.
 */
struct spawn {
  struct program program;
  struct prepared_call step[STEPS_MAX];
  struct borrowed text[STEPS_MAX];
  JSValue held[STEPS_MAX];
  uint32_t step_count;
  /* Written by the child; its memory is ours. */
  volatile int failed_step;
  volatile int failed_errno;
};

/* Not a system call: fails with ESRCH unless the parent is the expected one (see the parent-death signal, prctl(2)). */
#define REQUIRE_PARENT (-1)
/* Not a system call: takes capabilities from the bounding set, whose bits are the arguments. */
#define DROP_BOUNDING (-3)
/* Not a system call: becomes a user of its own; the arguments are those of `own_user_become`. */
#define OWN_USER (-4)
/* A seccomp filter; its flags, length and instructions are the arguments. What comes after is under it. */
#define SET_FILTER (-2)

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
  _exit(127);
}

#define ARGUMENTS_MAX 10

static int require_parent_take(JSContext *ctx, int argc, JSValueConst *argv, struct prepared_call *out) {
  int pid;
  if (argc != 1 || arg_int32(ctx, argv[0], &pid) < 0)
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

/* A step of ours that takes two integers. */
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

/* One step: [name, ...arguments]. Its arguments are held, by the array, until the child has executed. */
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
  /* No signal may reach the child before it has its defaults: its memory is ours. */
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
 * The failed step is -1 when it was the birth itself, the number of steps when it was execve.
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
