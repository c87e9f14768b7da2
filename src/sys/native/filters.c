/* Programs for the kernel: bpf(2) and seccomp(2), whose arguments point to further memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"
#include "filters.h"

/* Size of both `struct sock_filter` and `struct bpf_insn`. */
#define INSTRUCTION 8
/* BPF_MAXINSNS; eBPF programs could be longer, but those used here are not. */
#define INSTRUCTIONS_MAX 4096
/* The programs call no helper that would need another license. */
#define LICENSE "Apache-2.0"

enum command { PROG_LOAD = 5, PROG_ATTACH = 8, PROG_GET_FD_BY_ID = 13, PROG_QUERY = 16 };

/* The used parts of `union bpf_attr` (linux/bpf.h), which the C library lacks. The rest is zero. */
struct load {
  uint32_t type, count;
  uint64_t instructions, license;
  uint32_t log_level, log_size;
  uint64_t log;
  uint32_t kernel_version, flags;
  char name[16];
  uint32_t interface, attach_type;
};
struct attach {
  uint32_t target, program, type, flags, replaced;
};
struct query {
  uint32_t target, type, flags, attached_flags;
  uint64_t ids;
  uint32_t count;
};

static JSValue bpf(JSContext *ctx, enum command command, void *attributes, size_t size) {
  long result = syscall(SYS_bpf, command, attributes, size);
  return result_of(ctx, result < 0 ? -errno : result);
}

static int instructions_take(JSContext *ctx, JSValueConst value, struct bytes *out) {
  if (arg_bytes(ctx, value, out) < 0)
    return -1;
  if (out->size == 0 || out->size % INSTRUCTION != 0 || out->size > INSTRUCTIONS_MAX * INSTRUCTION) {
    JS_ThrowRangeError(ctx, "%u bytes are not a program", (unsigned)out->size);
    return -1;
  }
  return 0;
}

/* bpfLoad(type, attach type, instructions, log | null) -> close-on-exec descriptor */
JSValue native_bpf_load(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int type, attach_type;
  struct bytes instructions, log = {.size = 0};
  if (argc != 4)
    return JS_ThrowTypeError(ctx, "bpfLoad takes 4 arguments");
  if (arg_int32(ctx, argv[0], &type) < 0 || arg_int32(ctx, argv[1], &attach_type) < 0 ||
      instructions_take(ctx, argv[2], &instructions) < 0 ||
      (!JS_IsNull(argv[3]) && arg_bytes(ctx, argv[3], &log) < 0))
    return JS_EXCEPTION;
  struct load load = {.type = (uint32_t)type,
                      .count = (uint32_t)(instructions.size / INSTRUCTION),
                      .instructions = (uintptr_t)instructions.data,
                      .license = (uintptr_t)LICENSE,
                      .attach_type = (uint32_t)attach_type};
  if (log.size > 0) {
    load.log_level = 1;
    load.log_size = (uint32_t)log.size;
    load.log = (uintptr_t)log.data;
  }
  return bpf(ctx, PROG_LOAD, &load, sizeof load);
}

/* bpfAttach(target, program, attach type, flags, replaced program | 0) */
JSValue native_bpf_attach(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int values[5];
  if (argc != 5)
    return JS_ThrowTypeError(ctx, "bpfAttach takes 5 arguments");
  for (int i = 0; i < 5; i++)
    if (arg_int32(ctx, argv[i], &values[i]) < 0)
      return JS_EXCEPTION;
  struct attach attach = {(uint32_t)values[0], (uint32_t)values[1], (uint32_t)values[2], (uint32_t)values[3],
                          (uint32_t)values[4]};
  return bpf(ctx, PROG_ATTACH, &attach, sizeof attach);
}

/* bpfAttached(target, attach type, ids) -> number of programs; ENOSPC if there are more than fit */
JSValue native_bpf_attached(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int target, type;
  struct bytes ids;
  if (argc != 3)
    return JS_ThrowTypeError(ctx, "bpfAttached takes 3 arguments");
  if (arg_int32(ctx, argv[0], &target) < 0 || arg_int32(ctx, argv[1], &type) < 0 || arg_bytes(ctx, argv[2], &ids) < 0)
    return JS_EXCEPTION;
  struct query query = {.target = (uint32_t)target,
                        .type = (uint32_t)type,
                        .ids = (uintptr_t)ids.data,
                        .count = (uint32_t)(ids.size / sizeof(uint32_t))};
  long result = syscall(SYS_bpf, PROG_QUERY, &query, sizeof query);
  return result_of(ctx, result < 0 ? -errno : (long)query.count);
}

/* bpfById(id) -> close-on-exec descriptor */
JSValue native_bpf_by_id(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int id;
  if (argc != 1)
    return JS_ThrowTypeError(ctx, "bpfById takes 1 argument");
  if (arg_int32(ctx, argv[0], &id) < 0)
    return JS_EXCEPTION;
  uint32_t attributes[3] = {(uint32_t)id, 0, 0};
  return bpf(ctx, PROG_GET_FD_BY_ID, attributes, sizeof attributes);
}

/* --- seccomp --------------------------------------------------------------------------------------------------- */

#define SET_MODE_FILTER 1

struct socket_program {
  unsigned short count;
  const void *instructions;
};

int seccomp_filter_take(JSContext *ctx, JSValueConst flags, JSValueConst program, struct seccomp_filter *out) {
  struct bytes bytes;
  int64_t wide;
  if (arg_integer(ctx, flags, &wide) < 0 || instructions_take(ctx, program, &bytes) < 0)
    return -1;
  *out = (struct seccomp_filter){
      .flags = (unsigned)wide, .count = (unsigned short)(bytes.size / INSTRUCTION), .instructions = bytes.data};
  return 0;
}

int seccomp_filter_set(const struct seccomp_filter *filter) {
  struct socket_program program = {.count = filter->count, .instructions = filter->instructions};
  return syscall(SYS_seccomp, SET_MODE_FILTER, filter->flags, &program) < 0 ? -errno : 0;
}
