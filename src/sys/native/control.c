/* Calls whose sizes depend on another argument: ioctl, setgroups. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "engine.h"

/* TUNSETIFF, whose number wrongly says that it takes an int. */
#define TUN_SET_INTERFACE 0x400454cau

/* Requests older than the convention of encoding the size in the number. */
static const struct {
  unsigned from, to;
  size_t size;
} old_requests[] = {
    {TCGETS, TCSETSF, 36}, /* the kernel's termios; the C library's is larger */
    {TIOCGPGRP, TIOCOUTQ, sizeof(int)},
    {TIOCGWINSZ, TIOCSWINSZ, sizeof(struct winsize)},
    {FIONREAD, FIONREAD, sizeof(int)},
    {TIOCGSID, TIOCGSID, sizeof(int)},
    {SIOCGIFNAME, 0x89ff, sizeof(struct ifreq)},
    {TUN_SET_INTERFACE, TUN_SET_INTERFACE, sizeof(struct ifreq)},
};

/* RNDADDENTROPY takes a variable tail that its number does not count: {int entropy; int size; char bytes[size]}. */
#define ADD_ENTROPY 0x40085203u

static size_t request_size(unsigned request, const struct bytes *bytes) {
  for (size_t i = 0; i < COUNT_OF(old_requests); i++)
    if (request >= old_requests[i].from && request <= old_requests[i].to)
      return old_requests[i].size;
  if (request == ADD_ENTROPY) {
    int tail = 0;
    if (bytes->size >= 8)
      memcpy(&tail, bytes->data + 4, sizeof tail);
    return tail < 0 ? SIZE_MAX : 8 + (size_t)tail;
  }
  return (request >> 30) == 0 ? 0 : (request >> 16) & 0x3fff;
}

/* ioctl(fd, request, integer | buffer) */
JSValue native_ioctl(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int fd;
  int64_t request, argument;
  if (argc != 3)
    return JS_ThrowTypeError(ctx, "ioctl takes 3 arguments");
  if (arg_int32(ctx, argv[0], &fd) < 0 || arg_integer(ctx, argv[1], &request) < 0)
    return JS_EXCEPTION;
  if (JS_IsObject(argv[2])) {
    struct bytes bytes;
    if (arg_bytes(ctx, argv[2], &bytes) < 0)
      return JS_EXCEPTION;
    size_t size = request_size((unsigned)request, &bytes);
    if (size == 0)
      return JS_ThrowTypeError(ctx, "ioctl 0x%x is not known to take a buffer", (unsigned)request);
    if (bytes.size < size)
      return JS_ThrowRangeError(ctx, "ioctl 0x%x needs a buffer of %u bytes", (unsigned)request, (unsigned)size);
    argument = (int64_t)(intptr_t)bytes.data;
  } else if (arg_integer(ctx, argv[2], &argument) < 0) {
    return JS_EXCEPTION;
  }
  int result = ioctl(fd, (int)request, argument);
  return result_of(ctx, result < 0 ? -errno : result);
}

/* setgroups(array of 32-bit ids) */
JSValue native_setgroups(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  struct bytes bytes;
  if (argc != 1)
    return JS_ThrowTypeError(ctx, "setgroups takes 1 argument");
  if (arg_bytes(ctx, argv[0], &bytes) < 0)
    return JS_EXCEPTION;
  int result = setgroups(bytes.size / sizeof(gid_t), (const gid_t *)(const void *)bytes.data);
  return result_of(ctx, result < 0 ? -errno : 0);
}
