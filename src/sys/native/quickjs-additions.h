/* What quickjs-additions.c adds to QuickJS. */
#ifndef KUMITE_QUICKJS_ADDITIONS_H
#define KUMITE_QUICKJS_ADDITIONS_H

#include "quickjs.h"

/*
 * What exists now is no longer looked at when garbage is collected: it counts as used, with all that it refers to. In the
 * process that calls it what loses its last reference is freed as always.
 */
void JS_KeepForever(JSRuntime *rt);

/*
 * Nothing below that address is ever freed, and who refers to it is not counted (tools/engine/quickjs-changes.ts). All other
 * objects lie above. Before the first value is touched; `JS_IsKept` is in quickjs.h.
 */
void JS_KeepBelow(const char *end);

/* Of Math.random(). */
void JS_SeedRandom(JSContext *ctx, uint64_t seed);

/*
 * Of a module that was compiled: the names of local variables, which only eval and debuggers look up, and which take more
 * room than the code. The names of functions and the numbers of lines stay. The module is good for being written then.
 */
void JS_DropVariableNames(JSValueConst module);

#endif
