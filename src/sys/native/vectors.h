/* An array of buffers as an iovec, for the duration of a call. */
#ifndef KUMITE_VECTORS_H
#define KUMITE_VECTORS_H

#include <sys/uio.h>

#include "quickjs.h"

#define VECTORS_MAX 64

struct vectors {
  JSContext *ctx;
  size_t count;
  JSValue held[VECTORS_MAX];
  struct iovec vector[VECTORS_MAX];
};

/* Returns 0, or -1 with a pending exception; must be released in both cases. */
int vectors_take(JSContext *ctx, JSValueConst array, struct vectors *out);
void vectors_release(struct vectors *vectors);

#endif
