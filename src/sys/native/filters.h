/* A seccomp filter, read from JavaScript before it is set, so that nothing else needs the kernel in between. */
#ifndef KUMITE_FILTERS_H
#define KUMITE_FILTERS_H

#include "quickjs.h"

struct seccomp_filter {
  unsigned flags;
  unsigned short count;
  const void *instructions;
};

/* 0, or -1 with a pending exception. */
int seccomp_filter_take(JSContext *ctx, JSValueConst flags, JSValueConst program, struct seccomp_filter *out);
/* 0 or the negated errno. */
int seccomp_filter_set(const struct seccomp_filter *filter);

#endif
