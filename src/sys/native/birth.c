/* Set-up by steps: the fork, the list of steps, and the messages to the agent. See birth.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "birth.h"
#include "engine.h"
#include "process.h"

/* Exit status of a process whose set-up failed; the agent gets the reason from the socket. */
#define FAILED 127
/* From linux/stat.h */
#define AT_STATX_FORCE_SYNC 0x2000
#define STATX_SIZE 256
#define KEYCTL_JOIN_SESSION_KEYRING 1
#define KEYCTL_SETPERM 5
/* See child/settings.ts */
#define KEYRING_PERMISSIONS 0x3f1b0000

/* The request to `bear`, without any JavaScript values. */
struct birth_request {
  /* The socket, standard input, output and error, and optionally a pidfd of the container's first process. */
  int descriptors[5];
  uint32_t descriptor_count;
  int64_t flags, entered, personality, filter_flags;
  int cgroup;
  /* Empty: keeps the agent's. */
  char keyring[192];
  struct bytes steps, filter;
};

void birth_refuse(struct birth_process *process, long error) {
  char message[80];
  int length = snprintf(message, sizeof message, "{\"kind\":\"unusual\",\"step\":%u,\"errno\":%ld}", process->step,
                        error < 0 ? -error : error);
  ssize_t ignored = write(process->control, message, (size_t)length);
  (void)ignored;
  _exit(FAILED);
}

long birth_must(struct birth_process *process, long result) {
  if (result < 0)
    birth_refuse(process, result);
  return result;
}

int64_t birth_integer(struct birth_process *process) {
  int64_t value;
  if ((size_t)(process->end - process->at) < sizeof value)
    birth_refuse(process, EBADMSG);
  memcpy(&value, process->at, sizeof value);
  process->at += sizeof value;
  return value;
}

/* A string is encoded as its length without the NUL, its bytes, and a NUL. */
const char *birth_text(struct birth_process *process) {
  int64_t length = birth_integer(process);
  const char *text = (const char *)process->at;
  if (length < 0 || length >= process->end - process->at || memchr(text, 0, (size_t)length + 1) != text + length)
    birth_refuse(process, EBADMSG);
  process->at += length + 1;
  return text;
}

/* Arguments: path, text */
static void write_file(struct birth_process *process) {
  const char *path = birth_text(process), *text = birth_text(process);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
    birth_refuse(process, errno);
  close(fd);
}

static void tell_ready(struct birth_process *process) {
  static const char ready[] = "{\"kind\":\"ready\"}";
  if (write(process->control, ready, sizeof ready - 1) < 0)
    _exit(FAILED);
}

static void await_start(struct birth_process *process) {
  char byte;
  tell_ready(process);
  if (read(process->control, &byte, 1) <= 0)
    _exit(FAILED);
}

static void enter_container(struct birth_process *process) {
  if (process->container < 0 || syscall(SYS_setns, process->container, process->entered) < 0)
    birth_refuse(process, errno);
  close(process->container);
}

static void open_directory(struct birth_process *process) {
  close(birth_open_directory(process, birth_text(process), 0));
}

/*
 * Arguments: number of rounds, number of paths, the paths. In each round, asks the daemon that serves a file system
 * about each path, bypassing the kernel's cache. The result does not matter.
 */
static void ask(struct birth_process *process) {
  uint8_t answer[STATX_SIZE];
  int64_t rounds = birth_integer(process), count = birth_integer(process);
  const uint8_t *paths = process->at;
  for (; rounds > 0; rounds--) {
    process->at = paths;
    for (int64_t i = 0; i < count; i++)
      syscall(SYS_statx, AT_FDCWD, birth_text(process), AT_STATX_FORCE_SYNC, 0, answer);
  }
}

/* A list of steps with a filter is not longer. */
#define TAKEN_MAX (168 * 1024)
/* Most lists are shorter. These pages are allocated before the list comes. */
#define TAKEN_USUAL (32 * 1024)

/* Reports that it is ready, waits for another list and continues with that. */
static void take_list(struct birth_process *process) {
  uint8_t *list = mmap(NULL, TAKEN_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (list == MAP_FAILED)
    birth_refuse(process, errno);
  memset(list, 0, TAKEN_USUAL);
  tell_ready(process);
  ssize_t size = read(process->control, list, TAKEN_MAX);
  if (size <= 0)
    _exit(FAILED);
  process->at = list;
  process->end = list + size;
}

static void set_personality(struct birth_process *process, long personality) {
  if (syscall(SYS_personality, personality) < 0)
    birth_refuse(process, errno);
}

static void join_keyring(struct birth_process *process, const char *name) {
  /* The one who makes it may set this; who joins it later sets the same, or is not allowed to. */
  long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
  long result = key < 0 ? key : syscall(SYS_keyctl, KEYCTL_SETPERM, key, KEYRING_PERMISSIONS);
  if (result < 0 && errno != ENOSYS && errno != EPERM && errno != EACCES)
    birth_refuse(process, errno);
}

/* flags, number of instructions, these. The filter is set when the program is executed. */
static void take_filter(struct birth_process *process) {
  unsigned flags = (unsigned)birth_integer(process);
  int64_t count = birth_integer(process);
  if (count < 1 || count > UINT16_MAX || count > (process->end - process->at) / 8)
    birth_refuse(process, EBADMSG);
  process->filter =
      (struct seccomp_filter){.flags = flags, .count = (unsigned short)count, .instructions = process->at};
  process->at += count * 8;
}

static void take_step(struct birth_process *process, enum birth_step step) {
  const char *name;
  switch (step) {
  case STEP_WRITE:
    return write_file(process);
  case STEP_UNSHARE:
    birth_must(process, unshare((int)birth_integer(process)) < 0 ? -errno : 0);
    return;
  case STEP_HOST_NAME:
    name = birth_text(process);
    birth_must(process, syscall(SYS_sethostname, name, strlen(name)) < 0 ? -errno : 0);
    return;
  case STEP_DOMAIN_NAME:
    name = birth_text(process);
    birth_must(process, syscall(SYS_setdomainname, name, strlen(name)) < 0 ? -errno : 0);
    return;
  case STEP_UMASK:
    umask((mode_t)birth_integer(process));
    return;
  case STEP_ENTER_CONTAINER:
    return enter_container(process);
  case STEP_ATTACH_ROOT:
    return birth_attach_root(process);
  case STEP_MOUNT_NEW:
    return birth_mount_new(process);
  case STEP_MOUNT_BIND:
    return birth_mount_bind(process);
  case STEP_DEVICE:
    return birth_device(process);
  case STEP_LINK:
    return birth_link(process);
  case STEP_DIRECTORY:
    return open_directory(process);
  case STEP_SEAL:
    return birth_seal(process);
  case STEP_READ_ONLY:
    return birth_read_only(process);
  case STEP_MASK:
    return birth_mask(process);
  case STEP_ENTER_ROOT:
    return birth_enter_root(process);
  case STEP_USUAL_DESCRIPTORS:
    return birth_usual_descriptors(process);
  case STEP_LIMIT:
    return birth_limit(process);
  case STEP_HOME:
    return birth_home(process);
  case STEP_WORKING_DIRECTORY:
    return birth_working_directory(process);
  case STEP_IDENTITY:
    return birth_identity(process);
  case STEP_EXECUTABLE:
    return birth_executable(process);
  case STEP_AWAIT_START:
    return await_start(process);
  case STEP_EXECUTE:
    birth_execute(process);
  case STEP_ASK:
    return ask(process);
  case STEP_EXIT:
    _exit((int)birth_integer(process));
  case STEP_TAKE:
    return take_list(process);
  case STEP_KEYRING:
    return join_keyring(process, birth_text(process));
  case STEP_PERSONALITY:
    return set_personality(process, (long)birth_integer(process));
  case STEP_FILTER:
    return take_filter(process);
  case STEP_END:
    break;
  }
  birth_refuse(process, ENOSYS);
}

/* Closes all descriptors except 0 to 2, the socket and the container's pidfd. */
static void close_others(const struct birth_process *process) {
  int low = process->control, high = process->container;
  if (high >= 0 && high < low)
    low = high, high = process->control;
  if (low > 3)
    syscall(SYS_close_range, 3, low - 1, 0);
  if (high > low + 1)
    syscall(SYS_close_range, low + 1, high - 1, 0);
  syscall(SYS_close_range, (high > low ? high : low) + 1, ~0u, 0);
}

static void __attribute__((noreturn)) run(const struct birth_request *request) {
  const int *fds = request->descriptors;
  struct birth_process process = {
      .at = request->steps.data,
      .end = request->steps.data + request->steps.size,
      .control = fds[0],
      .container = request->descriptor_count > 4 ? fds[4] : -1,
      .entered = (int)request->entered,
      .root = -1,
      .filter = {.flags = (unsigned)request->filter_flags,
                 .count = (unsigned short)(request->filter.size / 8),
                 .instructions = request->filter.data},
  };
  signals_reset();
  for (int standard = 0; standard < 3; standard++)
    if (fds[1 + standard] != standard && dup3(fds[1 + standard], standard, 0) < 0)
      birth_refuse(&process, errno);
  close_others(&process);
  setsid();
  if (request->keyring[0] != 0)
    join_keyring(&process, request->keyring);
  if (request->personality >= 0)
    set_personality(&process, (long)request->personality);
  for (;; process.step++)
    take_step(&process, (enum birth_step)birth_integer(&process));
}

/* Copies the data that lies in JavaScript's memory into memory that the fork keeps. */
static int keep(struct birth_request *request, void **kept, size_t *size) {
  *size = request->steps.size + request->filter.size + 1;
  char *copy = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED)
    return -errno;
  memcpy(copy, request->steps.data, request->steps.size);
  memcpy(copy + request->steps.size, request->filter.data, request->filter.size);
  request->steps.data = (uint8_t *)copy;
  request->filter.data = (uint8_t *)copy + request->steps.size;
  *kept = copy;
  return 0;
}

static int take_keyring(JSContext *ctx, JSValueConst value, struct birth_request *request) {
  struct borrowed borrowed = {.ctx = ctx};
  const char *text = "";
  int failed = JS_IsNull(value) ? 0 : arg_text(&borrowed, value, &text);
  if (failed == 0 && strlen(text) >= sizeof request->keyring)
    failed = -ENAMETOOLONG;
  if (failed == 0)
    strcpy(request->keyring, text);
  borrowed_release(&borrowed);
  return failed;
}

static int take_descriptors(JSContext *ctx, JSValueConst array, struct birth_request *request) {
  if (arg_array_length(ctx, array, COUNT_OF(request->descriptors), &request->descriptor_count) < 0)
    return -1;
  if (request->descriptor_count < 4) {
    JS_ThrowRangeError(ctx, "a birth takes four descriptors or five");
    return -1;
  }
  for (uint32_t i = 0; i < request->descriptor_count; i++) {
    JSValue value = JS_GetPropertyUint32(ctx, array, i);
    int failed = JS_IsException(value) ? -1 : arg_int32(ctx, value, &request->descriptors[i]);
    JS_FreeValue(ctx, value);
    if (failed < 0)
      return -1;
  }
  return 0;
}

/* Returns what arg_text returns. */
static int take_request(JSContext *ctx, JSValueConst *argv, struct birth_request *request) {
  long flags;
  if (fork_flags(ctx, argv[0], &flags) < 0 || arg_int32(ctx, argv[1], &request->cgroup) < 0 ||
      take_descriptors(ctx, argv[2], request) < 0 || arg_integer(ctx, argv[3], &request->entered) < 0 ||
      arg_integer(ctx, argv[5], &request->personality) < 0 || arg_integer(ctx, argv[7], &request->filter_flags) < 0)
    return -1;
  request->flags = flags;
  int failed = take_keyring(ctx, argv[4], request);
  if (failed != 0)
    return failed;
  if (arg_bytes(ctx, argv[6], &request->steps) < 0)
    return -1;
  struct seccomp_filter filter;
  if (JS_IsNull(argv[8]))
    return 0;
  return seccomp_filter_take(ctx, argv[7], argv[8], &filter) < 0 ? -1 : arg_bytes(ctx, argv[8], &request->filter);
}

/*
 * bear(flags, cgroup directory, descriptors, entered, keyring | null, personality, steps, filter flags, filter | null)
 * -> pid or a negated errno. A negative personality means none.
 */
JSValue native_bear(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  static uint8_t nothing[1];
  struct birth_request request = {.filter = {.data = nothing}};
  void *kept = NULL;
  size_t size = 0;
  if (argc != 9)
    return JS_ThrowTypeError(ctx, "bear takes 9 arguments");
  int failed = take_request(ctx, argv, &request);
  if (failed == -1)
    return JS_EXCEPTION;
  if (failed == 0)
    failed = keep(&request, &kept, &size);
  if (failed < 0)
    return result_of(ctx, failed);
  /*
   * Excludes JavaScript's memory from the fork: neither side has to copy pages that the other writes to, and the
   * agent's memory does not get into the child.
   */
  allocator_leave_behind(true);
  long result = process_birth(request.flags, request.cgroup);
  if (result == 0)
    run(&request);
  allocator_leave_behind(false);
  munmap(kept, size);
  return result_of(ctx, result);
}
