/* The functions that quickjs-additions.c adds to QuickJS. */
#ifndef KUMITE_QUICKJS_ADDITIONS_H
#define KUMITE_QUICKJS_ADDITIONS_H

#include "quickjs.h"

/*
 * Excludes all existing objects from garbage collection: they count as in use, with everything they refer to. In the
 * process that calls this, an object that loses its last reference is still freed.
 */
void JS_KeepForever(JSRuntime *rt);

/*
 * Objects below this address are never freed, and references to them are not counted (tools/engine/quickjs-changes.ts).
 * All other objects lie above. Must be called before the first value is used. `JS_IsKept` is in quickjs.h.
 */
void JS_KeepBelow(const char *end);

/* Seeds Math.random(). */
void JS_SeedRandom(JSContext *ctx, uint64_t seed);

/*
 * Drops the names of local variables from a compiled module. Only eval and debuggers need them, and they take more
 * space than the code. Names of functions and line numbers stay. After that the module can only be written out.
 */
void JS_DropVariableNames(JSValueConst module);

#endif
