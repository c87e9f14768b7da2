/* Converts JavaScript values to arguments of system calls. All argument checks are here. */
#include <errno.h>
#include <string.h>

#include "engine.h"

void borrowed_release(struct borrowed *borrowed) {
  for (size_t i = 0; i < borrowed->count; i++)
    JS_FreeCString(borrowed->ctx, borrowed->text[i]);
  borrowed->count = 0;
}

int arg_integer(JSContext *ctx, JSValueConst value, int64_t *out) {
  if (JS_IsBigInt(ctx, value))
    return JS_ToBigInt64(ctx, out, value);
  if (JS_IsNumber(value)) {
    double number;
    if (JS_ToFloat64(ctx, &number, value) < 0)
      return -1;
    if (number >= -9007199254740991.0 && number <= 9007199254740991.0 && number == (double)(int64_t)number) {
      *out = (int64_t)number;
      return 0;
    }
  }
  JS_ThrowTypeError(ctx, "expected an integer");
  return -1;
}

int arg_int32(JSContext *ctx, JSValueConst value, int *out) {
  int64_t wide;
  if (arg_integer(ctx, value, &wide) < 0)
    return -1;
  if (wide < INT32_MIN || wide > INT32_MAX) {
    JS_ThrowRangeError(ctx, "%lld does not fit 32 bits", (long long)wide);
    return -1;
  }
  *out = (int)wide;
  return 0;
}

int arg_bytes(JSContext *ctx, JSValueConst value, struct bytes *out) {
  static uint8_t empty[1];
  size_t offset = 0, size = 0, whole = 0;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &size, NULL);
  if (JS_IsException(buffer))
    return -1;
  uint8_t *data = JS_GetArrayBuffer(ctx, &whole, buffer);
  /* The array keeps its buffer alive, so the pointer does not need the reference taken above. */
  JS_FreeValue(ctx, buffer);
  if (data == NULL && JS_HasException(ctx))
    return -1;
  if (offset > whole || size > whole - offset) {
    JS_ThrowRangeError(ctx, "the view does not lie in its buffer");
    return -1;
  }
  out->data = data == NULL ? empty : data + offset;
  out->size = size;
  return 0;
}

int arg_range(JSContext *ctx, JSValueConst *argv, struct bytes *out) {
  int64_t offset, length;
  /* The integers come first, so that nothing happens between taking the pointer and using it. */
  if (arg_integer(ctx, argv[1], &offset) < 0 || arg_integer(ctx, argv[2], &length) < 0)
    return -1;
  if (arg_bytes(ctx, argv[0], out) < 0)
    return -1;
  if (offset < 0 || length < 0 || (uint64_t)offset > out->size || (uint64_t)length > out->size - (uint64_t)offset) {
    JS_ThrowRangeError(ctx, "%lld bytes at %lld do not lie in a buffer of %llu", (long long)length, (long long)offset,
                       (unsigned long long)out->size);
    return -1;
  }
  out->data += offset;
  out->size = (size_t)length;
  return 0;
}

int arg_text(struct borrowed *borrowed, JSValueConst value, const char **out) {
  if (JS_IsString(value)) {
    size_t length;
    if (borrowed->count == COUNT_OF(borrowed->text)) {
      JS_ThrowInternalError(borrowed->ctx, "too many strings in one call");
      return -1;
    }
    const char *text = JS_ToCStringLen(borrowed->ctx, &length, value);
    if (text == NULL)
      return -1;
    borrowed->text[borrowed->count++] = text;
    *out = text;
    return memchr(text, 0, length) == NULL ? 0 : -EINVAL;
  }
  struct bytes bytes;
  if (arg_bytes(borrowed->ctx, value, &bytes) < 0)
    return -1;
  if (memchr(bytes.data, 0, bytes.size) != bytes.data + bytes.size - 1 || bytes.size == 0)
    return -EINVAL;
  *out = (const char *)bytes.data;
  return 0;
}

int arg_array_length(JSContext *ctx, JSValueConst value, uint32_t limit, uint32_t *out) {
  if (!JS_IsArray(ctx, value)) {
    JS_ThrowTypeError(ctx, "expected an array");
    return -1;
  }
  JSValue length = JS_GetPropertyStr(ctx, value, "length");
  int failed = JS_ToUint32(ctx, out, length);
  JS_FreeValue(ctx, length);
  if (failed < 0)
    return -1;
  if (*out > limit) {
    JS_ThrowRangeError(ctx, "an array of %u items where %u are allowed", *out, limit);
    return -1;
  }
  return 0;
}

JSValue result_of(JSContext *ctx, long result) {
  return JS_NewInt64(ctx, result);
}
