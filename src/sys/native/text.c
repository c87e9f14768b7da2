/*
 * Converts UTF-8 to strings and back according to the Encoding standard: ill-formed text is replaced by U+FFFD or, on
 * request, an error.
 */
#include <string.h>

#include "engine.h"

/*
 * Length of the well-formed sequence at `p`, or 0. Then `*skip` is the length of the ill-formed part to be replaced by
 * one U+FFFD: the longest part that begins a well-formed sequence, at least 1 (Unicode 15, table 3-7 and section 3.9).
 */
static size_t sequence_length(const uint8_t *p, const uint8_t *end, size_t *skip) {
  uint8_t lead = p[0], low = 0x80, high = 0xbf;
  size_t length;
  *skip = 1;
  if (lead < 0x80)
    return 1;
  if (lead >= 0xc2 && lead <= 0xdf)
    length = 2;
  else if (lead >= 0xe0 && lead <= 0xef)
    length = 3;
  else if (lead >= 0xf0 && lead <= 0xf4)
    length = 4;
  else
    return 0;
  if (lead == 0xe0)
    low = 0xa0;
  else if (lead == 0xed)
    high = 0x9f;
  else if (lead == 0xf0)
    low = 0x90;
  else if (lead == 0xf4)
    high = 0x8f;
  for (size_t i = 1; i < length; i++) {
    if (p + i == end || p[i] < low || p[i] > high) {
      *skip = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

/* Returns the end of the well-formed part. */
static const uint8_t *well_formed_end(const uint8_t *p, const uint8_t *end) {
  size_t skip;
  while (p < end) {
    size_t length = sequence_length(p, end, &skip);
    if (length == 0)
      return p;
    p += length;
  }
  return end;
}

static JSValue decode_replacing(JSContext *ctx, const uint8_t *p, const uint8_t *end) {
  /* One ill-formed byte becomes three. */
  uint8_t *clean = js_malloc(ctx, (size_t)(end - p) * 3), *out = clean;
  if (clean == NULL)
    return JS_EXCEPTION;
  while (p < end) {
    size_t skip, length = sequence_length(p, end, &skip);
    if (length > 0) {
      memcpy(out, p, length);
      out += length;
      p += length;
    } else {
      memcpy(out, "\xef\xbf\xbd", 3);
      out += 3;
      p += skip;
    }
  }
  JSValue text = JS_NewStringLen(ctx, (const char *)clean, (size_t)(out - clean));
  js_free(ctx, clean);
  return text;
}

/* decodeUtf8(buffer, offset, length, fatal) -> string, or null for ill-formed text when fatal */
JSValue native_decode_utf8(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  struct bytes bytes;
  if (argc != 4)
    return JS_ThrowTypeError(ctx, "decodeUtf8 takes 4 arguments");
  if (arg_range(ctx, argv, &bytes) < 0)
    return JS_EXCEPTION;
  const uint8_t *end = bytes.data + bytes.size;
  if (well_formed_end(bytes.data, end) == end)
    return JS_NewStringLen(ctx, (const char *)bytes.data, bytes.size);
  return JS_ToBool(ctx, argv[3]) ? JS_NULL : decode_replacing(ctx, bytes.data, end);
}

/* encodeUtf8(string) -> ArrayBuffer */
JSValue native_encode_utf8(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
  (void)self;
  if (argc != 1 || !JS_IsString(argv[0]))
    return JS_ThrowTypeError(ctx, "encodeUtf8 takes a string");
  size_t length, size;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (text == NULL)
    return JS_EXCEPTION;
  JSValue buffer = JS_NewArrayBufferCopy(ctx, (const uint8_t *)text, length);
  JS_FreeCString(ctx, text);
  uint8_t *p = JS_IsException(buffer) ? NULL : JS_GetArrayBuffer(ctx, &size, buffer);
  if (p == NULL)
    return buffer;
  /* QuickJS encodes a lone surrogate as three bytes, ED A0..BF xx, which has the length of its replacement. */
  for (uint8_t *end = p + length; p < end; p++)
    if (*p == 0xed && end - p >= 3 && p[1] >= 0xa0)
      memcpy(p, "\xef\xbf\xbd", 3);
  return buffer;
}
