/*
 * The table of plain system calls: each line describes the arguments of one, and the sizes the kernel will read or
 * write. TypeScript gets one function per line (`sys/linux/native.d.ts`). The numbers come from the C library's
 * headers, so another architecture needs no change here. Only calls that every architecture has are listed (openat, not
 * open).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"

enum kind {
  END,
  INT,            /* an integer */
  TEXT,           /* a string, or bytes that hold a NUL */
  TEXT_OR_NULL,
  STRUCT,         /* a buffer of at least `size` bytes, which the kernel may fill or read */
  STRUCT_OR_NULL,
  RANGE,          /* three values from JavaScript (buffer, offset, length), two for the kernel (pointer, length) */
  FIXED,          /* nothing from JavaScript; the kernel gets `size` */
};

struct shape {
  const char *name;
  short number;
  struct {
    uint8_t kind;
    uint16_t size;
  } argument[6];
};

#define I {INT, 0}
#define T {TEXT, 0}
#define TN {TEXT_OR_NULL, 0}
#define S(size) {STRUCT, size}
#define SN(size) {STRUCT_OR_NULL, size}
#define R {RANGE, 0}
#define F(value) {FIXED, value}
#define CALL(name, ...) {#name, SYS_##name, {__VA_ARGS__}}
/* The same system call under another name, with other kinds of arguments. */
#define CALL_AS(name, call, ...) {#name, SYS_##call, {__VA_ARGS__}}

/* Sizes of the kernel's structures, the same on every 64-bit architecture. */
enum {
  TIMESPEC = 16,
  ITIMERSPEC = 32,
  SIGNAL_SET = 8,
  SIGNAL_INFO = 128,
  RESOURCE_LIMIT = 16,
  STATX = 256,
  STATFS = 120,
  OPEN_HOW = 24,
  MOUNT_ATTR = 32,
  CAPABILITY_HEADER = 8,
  CAPABILITY_DATA = 24,
  UTSNAME = 390,
  SCHED_ATTR = 48,
  PROCESSOR_SET = 128,
};

static const struct shape calls[] = {
    /* files */
    CALL(openat, I, T, I, I),
    CALL(openat2, I, T, S(OPEN_HOW), F(OPEN_HOW)),
    CALL(close, I),
    CALL(close_range, I, I, I),
    CALL(read, I, R),
    CALL(write, I, R),
    CALL(pread64, I, R, I),
    CALL(pwrite64, I, R, I),
    CALL(lseek, I, I, I),
    CALL(ftruncate, I, I),
    CALL(fsync, I),
    CALL(fallocate, I, I, I, I),
    CALL(flock, I, I),
    CALL(getdents64, I, R),
    CALL(statx, I, T, I, I, S(STATX)),
    CALL(statfs, T, S(STATFS)),
    CALL(fstatfs, I, S(STATFS)),
    CALL(faccessat, I, T, I),
    CALL(mkdirat, I, T, I),
    CALL(mknodat, I, T, I, I),
    CALL(unlinkat, I, T, I),
    CALL(renameat2, I, T, I, T, I),
    CALL(linkat, I, T, I, T, I),
    CALL(symlinkat, T, I, T),
    CALL(readlinkat, I, T, R),
    CALL(fchmod, I, I),
    CALL(fchmodat, I, T, I),
    CALL(fchown, I, I, I),
    CALL(fchownat, I, T, I, I, I),
    CALL(utimensat, I, TN, SN(2 * TIMESPEC), I),
    CALL(umask, I),
    CALL(chdir, T),
    CALL(fchdir, I),
    CALL(chroot, T),
    CALL(getcwd, R),
    CALL(memfd_create, T, I),
    CALL(madvise, I, I, I),
    CALL(sync),
    CALL(syncfs, I),
    CALL(splice, I, SN(8), I, SN(8), I, I),
    CALL(sendfile, I, I, SN(8), I),
    CALL(getxattr, T, T, R),
    CALL(lgetxattr, T, T, R),
    CALL(setxattr, T, T, R, I),
    /* descriptors and events */
    CALL(dup, I),
    CALL(dup3, I, I, I),
    CALL(fcntl, I, I, I),
    CALL(pipe2, S(8), I),
    CALL(eventfd2, I, I),
    CALL(timerfd_create, I, I),
    CALL(timerfd_settime, I, I, S(ITIMERSPEC), SN(ITIMERSPEC)),
    CALL(signalfd4, I, S(SIGNAL_SET), F(SIGNAL_SET), I),
    CALL(inotify_init1, I),
    CALL(inotify_add_watch, I, T, I),
    CALL(inotify_rm_watch, I, I),
    /* sockets */
    CALL(socket, I, I, I),
    CALL(socketpair, I, I, I, S(8)),
    CALL(bind, I, R),
    CALL(connect, I, R),
    CALL(listen, I, I),
    CALL(accept4, I, F(0), F(0), I),
    CALL(shutdown, I, I),
    CALL(recvfrom, I, R, I, F(0), F(0)),
    CALL(sendto, I, R, I, F(0), F(0)),
    CALL(setsockopt, I, I, I, R),
    /* processes */
    CALL(getpid),
    CALL(getppid),
    CALL(gettid),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getpgid, I),
    CALL(setpgid, I, I),
    CALL(getsid, I),
    CALL(setsid),
    CALL(setresuid, I, I, I),
    CALL(setresgid, I, I, I),
    CALL(setfsuid, I),
    CALL(setfsgid, I),
    CALL(capget, S(CAPABILITY_HEADER), S(CAPABILITY_DATA)),
    CALL(capset, S(CAPABILITY_HEADER), S(CAPABILITY_DATA)),
    CALL(prlimit64, I, I, SN(RESOURCE_LIMIT), SN(RESOURCE_LIMIT)),
    CALL(setpriority, I, I, I),
    CALL(ioprio_set, I, I, I),
    CALL(sched_setattr, I, S(SCHED_ATTR), F(0)),
    CALL(sched_setaffinity, I, F(PROCESSOR_SET), S(PROCESSOR_SET)),
    CALL(personality, I),
    CALL(prctl, I, I, I, I, I),
    CALL(waitid, I, I, S(SIGNAL_INFO), I, F(0)),
    CALL(kill, I, I),
    CALL(tgkill, I, I, I),
    CALL(pidfd_open, I, I),
    CALL(pidfd_send_signal, I, I, F(0), I),
    CALL(pidfd_getfd, I, I, I),
    CALL(rt_sigtimedwait, S(SIGNAL_SET), SN(SIGNAL_INFO), S(TIMESPEC), F(SIGNAL_SET)),
    CALL(rt_sigprocmask, I, SN(SIGNAL_SET), SN(SIGNAL_SET), F(SIGNAL_SET)),
    CALL(setns, I, I),
    CALL(unshare, I),
    CALL(keyctl, I, TN),
    CALL_AS(keyctl_numbers, keyctl, I, I, I),
    /* mounts */
    CALL(mount, TN, T, TN, I, TN),
    CALL(umount2, T, I),
    CALL(pivot_root, T, T),
    CALL(open_tree, I, T, I),
    CALL(move_mount, I, T, I, T, I),
    CALL(mount_setattr, I, T, I, S(MOUNT_ATTR), F(MOUNT_ATTR)),
    CALL(fsopen, T, I),
    CALL(fsconfig, I, I, TN, TN, I),
    CALL(fspick, I, T, I),
    CALL(fsmount, I, I, I),
    /* the system */
    CALL(clock_gettime, I, S(TIMESPEC)),
    CALL(clock_settime, I, S(TIMESPEC)),
    CALL(getrandom, R, I),
    CALL(sethostname, R),
    CALL(setdomainname, R),
    CALL(uname, S(UTSNAME)),
    CALL(reboot, I, I, I, TN),
    CALL(swapon, T, I),
    CALL(finit_module, I, T, I),
    CALL(delete_module, T, I),
};

const size_t call_count = COUNT_OF(calls);

const char *call_name(size_t index) {
  return calls[index].name;
}

int call_find(const char *name) {
  for (size_t i = 0; i < call_count; i++)
    if (strcmp(calls[i].name, name) == 0)
      return (int)i;
  return -1;
}

static int prepare_struct(JSContext *ctx, JSValueConst value, size_t size, long *out) {
  struct bytes bytes;
  if (arg_bytes(ctx, value, &bytes) < 0)
    return -1;
  if (bytes.size < size) {
    JS_ThrowRangeError(ctx, "the kernel needs %u bytes, the buffer has %u", (unsigned)size, (unsigned)bytes.size);
    return -1;
  }
  *out = (long)bytes.data;
  return 0;
}

/*
 * Fills in `out[at]` and, for a range, `out[at + 1]`. `*used` is advanced by the number of JavaScript arguments
 * consumed.
 */
static int prepare_argument(struct borrowed *borrowed, const struct shape *shape, int at, JSValueConst *argv, int *used,
                            long *out) {
  JSContext *ctx = borrowed->ctx;
  JSValueConst value = argv[*used];
  struct bytes range;
  int64_t integer;
  const char *text;
  int failed;
  switch ((enum kind)shape->argument[at].kind) {
  case INT:
    failed = arg_integer(ctx, value, &integer);
    *out = (long)integer;
    break;
  case TEXT_OR_NULL:
  case STRUCT_OR_NULL:
    if (JS_IsNull(value)) {
      *out = 0;
      failed = 0;
      break;
    }
    if (shape->argument[at].kind == STRUCT_OR_NULL) {
      failed = prepare_struct(ctx, value, shape->argument[at].size, out);
      break;
    }
    /* fall through */
  case TEXT:
    failed = arg_text(borrowed, value, &text);
    *out = (long)text;
    break;
  case STRUCT:
    failed = prepare_struct(ctx, value, shape->argument[at].size, out);
    break;
  case RANGE:
    failed = arg_range(ctx, argv + *used, &range);
    out[0] = (long)range.data;
    out[1] = (long)range.size;
    *used += 2;
    break;
  default:
    JS_ThrowInternalError(ctx, "bad shape of %s", shape->name);
    return -1;
  }
  *used += 1;
  return failed;
}

static int wanted_arguments(const struct shape *shape) {
  int wanted = 0;
  for (size_t i = 0; i < COUNT_OF(shape->argument) && shape->argument[i].kind != END; i++)
    wanted += shape->argument[i].kind == RANGE ? 3 : shape->argument[i].kind == FIXED ? 0 : 1;
  return wanted;
}

int call_prepare(struct borrowed *borrowed, size_t index, int argc, JSValueConst *argv, struct prepared_call *out) {
  const struct shape *shape = &calls[index];
  int used = 0, filled = 0;
  if (argc != wanted_arguments(shape)) {
    JS_ThrowTypeError(borrowed->ctx, "%s takes %d arguments, got %d", shape->name, wanted_arguments(shape), argc);
    return -1;
  }
  *out = (struct prepared_call){.number = shape->number};
  /* Integers, strings and buffers are read without running JavaScript, so earlier pointers stay valid. */
  for (int at = 0; at < (int)COUNT_OF(shape->argument) && shape->argument[at].kind != END; at++) {
    if (shape->argument[at].kind == FIXED) {
      out->argument[filled++] = shape->argument[at].size;
      continue;
    }
    int failed = prepare_argument(borrowed, shape, at, argv, &used, &out->argument[filled]);
    if (failed != 0)
      return failed;
    filled += shape->argument[at].kind == RANGE ? 2 : 1;
  }
  return 0;
}

long call_make(const struct prepared_call *call) {
  const long *a = call->argument;
  long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
  return result == -1 ? -errno : result;
}

JSValue call_native(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv, int index) {
  (void)self;
  struct borrowed borrowed = {.ctx = ctx};
  struct prepared_call call;
  int failed = call_prepare(&borrowed, (size_t)index, argc, argv, &call);
  JSValue result = failed == -1 ? JS_EXCEPTION : result_of(ctx, failed < 0 ? failed : call_make(&call));
  borrowed_release(&borrowed);
  return result;
}
