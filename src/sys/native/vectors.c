/*
 * Scatter and gather: several buffers in one call, so that a header and its payload can be sent together without a
 * copy; and several calls for one buffer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine.h"
#include "vectors.h"

int vectors_take(JSContext *ctx, JSValueConst array, struct vectors *out) {
  uint32_t count;
  if (arg_array_length(ctx, array, VECTORS_MAX, &count) < 0)
    return -1;
  out->ctx = ctx;
  out->count = 0;
  for (uint32_t i = 0; i < count; i++) {
    out->held[i] = JS_GetPropertyUint32(ctx, array, i);
    out->count++;
    if (JS_IsException(out->held[i]))
      return -1;
  }
  /* Takes pointers only now, because reading an element above could have called a getter. */
  for (uint32_t i = 0; i < count; i++) {
    struct bytes bytes;
    if (arg_bytes(ctx, out->held[i], &bytes) < 0)
      return -1;
    out->vector[i] = (struct iovec){.iov_base = bytes.data, .iov_len = bytes.size};
  }
  return 0;
}

void vectors_release(struct vectors *vectors) {
  for (size_t i = 0; i < vectors->count; i++)
    JS_FreeValue(vectors->ctx, vectors->held[i]);
  vectors->count = 0;
}

static JSValue transfer(JSContext *ctx, int argc, JSValueConst *argv,
                        ssize_t (*call)(int, const struct iovec *, int)) {
  struct vectors vectors = {.count = 0};
  int fd;
  if (argc != 2)
    return JS_ThrowTypeError(ctx, "expected a descriptor and an array of buffers");
  if (arg_int32(ctx, argv[0], &fd) < 0)
    return JS_EXCEPTION;
  JSValue result = JS_EXCEPTION;
  if (vectors_take(ctx, argv[1], &vectors) == 0) {
    ssize_t moved = call(fd, vectors.vector, (int)vectors.count);
    result = result_of(ctx, moved < 0 ? -errno : moved);
  }
  vectors_release(&vectors);
  return result;
}

JSValue native_readv(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  return transfer(ctx, argc, argv, readv);
}

JSValue native_writev(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  return transfer(ctx, argc, argv, writev);
}

/* readPieces(fd, buffer, offset, length, piece): a failure after the first piece is left to the next call. */
JSValue native_read_pieces(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  int fd;
  int64_t piece;
  struct bytes range;
  if (argc != 5)
    return JS_ThrowTypeError(ctx, "readPieces takes 5 arguments");
  if (arg_int32(ctx, argv[0], &fd) < 0 || arg_integer(ctx, argv[4], &piece) < 0 || arg_range(ctx, argv + 1, &range) < 0)
    return JS_EXCEPTION;
  size_t filled = 0;
  ssize_t got;
  do {
    got = read(fd, range.data + filled, range.size - filled);
    if (got < 0 && filled == 0)
      return result_of(ctx, -errno);
    filled += got < 0 ? 0 : (size_t)got;
  } while (got >= piece && got > 0 && filled < range.size);
  return result_of(ctx, (long)filled);
}
