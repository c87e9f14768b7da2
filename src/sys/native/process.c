/*
 * Forking, executing another program, and exiting. The engine has a single thread, so fork needs none of the C
 * library's precautions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"
#include "filters.h"
#include "process.h"

#define TEXTS_MAX 65536

/*
 * The flags that create namespaces or choose the parent. Flags that would share memory or descriptors with a second
 * JavaScript are not permitted.
 */
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

int bounding_drop(uint32_t low, uint32_t high) {
  for (unsigned long number = 0; number < 64; number++) {
    if (((number < 32 ? low : high) >> (number % 32) & 1) == 0 || prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0)
      continue;
    /* The number is beyond the kernel's last capability. */
    return errno == EINVAL ? 0 : -errno;
  }
  return 0;
}

/* dropBounding(low, high) -> 0 or a negated errno */
JSValue native_drop_bounding(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int64_t half[2];
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "dropBounding takes 2 arguments");
  if (arg_integer(ctx, argv[0], &half[0]) < 0 || arg_integer(ctx, argv[1], &half[1]) < 0)
    return JS_EXCEPTION;
  return result_of(ctx, bounding_drop((uint32_t)half[0], (uint32_t)half[1]));
}

/* Uses plain system calls: the C library's functions would handle threads, in memory that is the parent's. */
int own_user_become(uint32_t first, uint32_t group) {
  uint32_t id = first + (uint32_t)getpid();
  if (syscall(SYS_setgroups, group == 0 ? 0 : 1, &group) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
      syscall(SYS_setresuid, id, id, id) < 0)
    return -errno;
  return 0;
}

/* ownUser(first, group) -> 0 or a negated errno */
JSValue native_own_user(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int64_t first, group;
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "ownUser takes 2 arguments");
  if (arg_integer(ctx, argv[0], &first) < 0 || arg_integer(ctx, argv[1], &group) < 0)
    return JS_EXCEPTION;
  return result_of(ctx, own_user_become((uint32_t)first, (uint32_t)group));
}

void process_end(int status) {
  syscall(SYS_exit_group, status);
  __builtin_trap();
}

JSValue native_exit(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int status;
  if (argc != 1)
    return JS_ThrowTypeError(ctx, "exit takes 1 argument");
  if (arg_int32(ctx, argv[0], &status) < 0)
    return JS_EXCEPTION;
  process_end(status);
}

int fork_flags(JSContext *ctx, JSValueConst value, long *out) {
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

/* fork(flags) -> pid, or 0 in the child, which must end with execve or exit, since the event loop is the parent's. */
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

/* clone_args of linux/sched.h up to the last member that is needed; the C library lacks it. */
struct birth {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define BIRTH_INTO_CGROUP 0x200000000ULL

long process_birth(int64_t flags, int cgroup) {
  struct birth birth = {
      .flags = (uint64_t)flags | BIRTH_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)(uint32_t)cgroup};
  long result = syscall(SYS_clone3, &birth, sizeof birth);
  return result < 0 ? -errno : result;
}

/* The child soon becomes another program. Collecting garbage would only make it copy its parent's memory. */
static void become_birth(JSContext *ctx) {
  loop_disown();
  allocator_forked();
  JS_SetGCThreshold(JS_GetRuntime(ctx), (size_t)-1);
}

/* forkInto(flags, cgroup directory) -> as fork. Avoids a later migration, which costs a grace period of the kernel. */
JSValue native_fork_into(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  long flags;
  int cgroup;
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "forkInto takes 2 arguments");
  if (fork_flags(ctx, argv[0], &flags) < 0 || arg_int32(ctx, argv[1], &cgroup) < 0)
    return JS_EXCEPTION;
  long result = process_birth(flags, cgroup);
  if (result == 0)
    become_birth(ctx);
  return result_of(ctx, result);
}

static void texts_free(JSContext *ctx, char **texts) {
  if (texts == NULL)
    return;
  for (size_t i = 0; texts[i] != NULL; i++)
    js_free(ctx, texts[i]);
  js_free(ctx, texts);
}

/* Makes a NULL-terminated copy of an array of strings; returns what arg_text returns. */
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

int program_take(struct program *program, JSValueConst *argv) {
  program->path_text.ctx = program->ctx;
  int failed = texts_take(program->ctx, argv[1], &program->argv);
  if (failed == 0)
    failed = texts_take(program->ctx, argv[2], &program->env);
  return failed == 0 ? arg_text(&program->path_text, argv[0], &program->path) : failed;
}

void program_release(struct program *program) {
  borrowed_release(&program->path_text);
  texts_free(program->ctx, program->argv);
  texts_free(program->ctx, program->env);
}

/* execve(path, argv, env) -> the negated errno; returns only on failure. */
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
 * execveFiltered(flags, filter, path, argv, env) -> [negated errno, whether the filter was set]; returns only on
 * failure. Everything is prepared in advance, so that execve is the only call under the filter.
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
