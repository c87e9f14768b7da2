/* sendmsg and recvmsg, the only way to pass descriptors (SCM_RIGHTS). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "vectors.h"

/* The kernel's own limit, SCM_MAX_FD. */
#define DESCRIPTORS_MAX 253

union rights {
  struct cmsghdr header;
  char space[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
};

static int take_descriptors(JSContext *ctx, JSValueConst array, int *out, uint32_t *count) {
  if (arg_array_length(ctx, array, DESCRIPTORS_MAX, count) < 0)
    return -1;
  for (uint32_t i = 0; i < *count; i++) {
    JSValue value = JS_GetPropertyUint32(ctx, array, i);
    int failed = JS_IsException(value) ? -1 : arg_int32(ctx, value, &out[i]);
    JS_FreeValue(ctx, value);
    if (failed < 0)
      return -1;
  }
  return 0;
}

/* sendmsg(fd, buffers, descriptors, flags, address | null) */
JSValue native_sendmsg(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  struct vectors vectors = {.count = 0};
  struct bytes address = {.size = 0};
  union rights rights;
  int fd, flags, descriptors[DESCRIPTORS_MAX];
  uint32_t count;
  if (argc != 5)
    return JS_ThrowTypeError(ctx, "sendmsg takes 5 arguments");
  if (arg_int32(ctx, argv[0], &fd) < 0 || arg_int32(ctx, argv[3], &flags) < 0)
    return JS_EXCEPTION;
  if (take_descriptors(ctx, argv[2], descriptors, &count) < 0)
    return JS_EXCEPTION;
  JSValue result = JS_EXCEPTION;
  if (vectors_take(ctx, argv[1], &vectors) == 0 &&
      (JS_IsNull(argv[4]) || arg_bytes(ctx, argv[4], &address) == 0)) {
    struct msghdr message = {.msg_iov = vectors.vector, .msg_iovlen = (int)vectors.count};
    if (address.size > 0) {
      message.msg_name = address.data;
      message.msg_namelen = (socklen_t)address.size;
    }
    if (count > 0) {
      memset(&rights, 0, sizeof rights);
      message.msg_control = &rights;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
      rights.header.cmsg_level = SOL_SOCKET;
      rights.header.cmsg_type = SCM_RIGHTS;
      rights.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
      memcpy(CMSG_DATA(&rights.header), descriptors, sizeof(int) * count);
    }
    ssize_t sent = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
    result = result_of(ctx, sent < 0 ? -errno : sent);
  }
  vectors_release(&vectors);
  return result;
}

/* Calls `each` for every descriptor received with the message. */
static void for_each_descriptor(struct msghdr *message, void (*each)(void *opaque, int fd), void *opaque) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
      continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      each(opaque, fd);
    }
  }
}

static void close_one(void *opaque, int fd) {
  (void)opaque;
  close(fd);
}

struct collected {
  JSContext *ctx;
  JSValue array;
  uint32_t count;
  bool failed;
};

static void collect_one(void *opaque, int fd) {
  struct collected *collected = opaque;
  if (JS_SetPropertyUint32(collected->ctx, collected->array, collected->count++, JS_NewInt32(collected->ctx, fd)) < 0)
    collected->failed = true;
}

/* recvmsg(fd, buffers, flags) -> [result, flags, descriptors]; descriptors are close-on-exec. */
JSValue native_recvmsg(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  struct vectors vectors = {.count = 0};
  union rights rights;
  int fd, flags;
  if (argc != 3)
    return JS_ThrowTypeError(ctx, "recvmsg takes 3 arguments");
  if (arg_int32(ctx, argv[0], &fd) < 0 || arg_int32(ctx, argv[2], &flags) < 0)
    return JS_EXCEPTION;
  struct collected collected = {.ctx = ctx, .array = JS_NewArray(ctx)};
  JSValue result = JS_NewArray(ctx);
  if (JS_IsException(collected.array) || JS_IsException(result) || vectors_take(ctx, argv[1], &vectors) < 0)
    goto fail;
  struct msghdr message = {.msg_iov = vectors.vector,
                           .msg_iovlen = (int)vectors.count,
                           .msg_control = &rights,
                           .msg_controllen = sizeof rights};
  ssize_t received = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  long outcome = received < 0 ? -errno : received;
  if (outcome >= 0)
    for_each_descriptor(&message, collect_one, &collected);
  if (collected.failed || JS_SetPropertyUint32(ctx, result, 0, JS_NewInt64(ctx, outcome)) < 0 ||
      JS_SetPropertyUint32(ctx, result, 1, JS_NewInt32(ctx, outcome < 0 ? 0 : message.msg_flags)) < 0 ||
      JS_SetPropertyUint32(ctx, result, 2, JS_DupValue(ctx, collected.array)) < 0) {
    if (outcome >= 0)
      for_each_descriptor(&message, close_one, NULL);
    goto fail;
  }
  JS_FreeValue(ctx, collected.array);
  vectors_release(&vectors);
  return result;
fail:
  JS_FreeValue(ctx, collected.array);
  JS_FreeValue(ctx, result);
  vectors_release(&vectors);
  return JS_EXCEPTION;
}
