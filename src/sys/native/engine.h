/*
 * The small engine's C host: QuickJS, the kernel's calls and an epoll loop, for one module of bytecode.
 * Everything that can be decided in TypeScript is decided there (`sys/linux`, `sys/engine`); C has what needs pointers.
 *
 * Rules that hold in every file:
 * - A native function returns a result >= 0 or the negated errno. It throws only for a caller's bug: an argument of
 *   the wrong type, or a range that does not lie in its buffer.
 * - A buffer is handed to the kernel only after its size was checked, and no JavaScript runs between that check and
 *   the call, so it can neither move nor shrink.
 */
#ifndef KUMITE_ENGINE_H
#define KUMITE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * One module of bytecode; the build generates the table (tools/engine/executable.ts). The first one is the default; those
 * whose name ends in ".js" are only imported by others.
 */
struct engine_module {
  const char *name;
  const uint8_t *code;
  const uint8_t *end;
  /* Not 0 for one that starts from the image; of the first one the image has everything. */
  size_t starts_from_image;
  /* Of the code when it is unpacked; 0: it is as it is. */
  size_t unpacked_size;
};
extern const struct engine_module engine_modules[];
extern const size_t engine_module_count;
/* What the program has of the language beyond what all have; ends with NULL. Also generated. */
typedef void engine_feature(JSContext *ctx);
extern engine_feature *const engine_features[];
/* Bytes of the image of the heap at ENGINE_IMAGE_ADDRESS, or 0; also generated. */
extern const size_t engine_image_size;
/* Also known to the build. */
#define ENGINE_IMAGE_ADDRESS 0x10000000

/* --- runtime.c: the runtime and its limits ------------------------------------------------------------------- */

JSContext *engine_start(void);
/* Evaluates the module; the result is the promise of its evaluation, or JS_EXCEPTION. */
JSValue engine_evaluate(JSContext *ctx, const struct engine_module *module);
/* How deep calls may be, from the caller's frame on. */
void engine_limit_stack(JSContext *ctx);
/* How much may be allocated until garbage is looked for. */
void engine_limit_garbage(JSContext *ctx);
/* Last resort when JavaScript cannot report: the error and its stack on descriptor 2. Frees nothing. */
void engine_print_error(JSContext *ctx, JSValueConst error);

/* --- unpack.c: code that the build has made smaller ------------------------------------------------------------ */

/* Whether it was whole, and had that size. */
bool unpack(const uint8_t *from, const uint8_t *from_end, uint8_t *to, size_t size);

/* --- allocator.c: memory for JavaScript ------------------------------------------------------------------------ */

extern const JSMallocFunctions engine_allocator;
void allocator_forked(void);
/* Whether a fork is without all that JavaScript has. */
void allocator_leave_behind(bool yes);
/* Bytes that JavaScript holds beside an image, as of the last block that it got. */
size_t allocator_in_use(void);
/* Whether it has ever had no memory to give: an error that comes later is likely to be of that. */
bool allocator_has_run_out(void);

/* From here on every block lies between these, the large ones too. */
void allocator_place(char *begin, char *end);
/* Ends that: what comes later lies elsewhere. Returns the end of what is used, rounded up to `alignment`. */
char *allocator_save(size_t alignment);
/* In a process that has the image; `end` as it was returned. */
void allocator_restore(char *end);

/* --- image.c: a heap that was made when the executable was built ----------------------------------------------- */

bool image_is_present(void);
/* What engine_start and engine_evaluate would give. */
JSContext *image_open(JSValue *evaluation);
/* Writes the image of this module to standard output; returns an exit status. */
int image_make(const struct engine_module *module);

/* --- native-module.c: what TypeScript imports as "kumite:native" --------------------------------------------- */

int native_module_register(JSContext *ctx);
/* The command line, for `processArguments()`. */
void native_module_arguments(char **argv);

/* --- loop.c: events, jobs and failures ----------------------------------------------------------------------- */

/* Runs until nothing is waited for; returns the exit status. Takes the promise over. */
int loop_run(JSContext *ctx, JSValue evaluation);
int loop_init(JSContext *ctx);
/* What JavaScript has told the loop. */
struct loop_state {
  JSValue on_event, on_uncaught, main;
};
/* After the evaluation. Returns what keeps its state from being all there is, or NULL. */
const char *loop_save(JSContext *ctx, JSValue evaluation, struct loop_state *state);
int loop_restore(JSContext *ctx, const struct loop_state *state);
/* For a module that is evaluated after another one. */
void loop_forget_main(JSContext *ctx);
/* In a forked child: the epoll instance is shared with the parent, so the loop must never run here. */
void loop_disown(void);

/* --- arguments.c: from JavaScript values to what the kernel takes --------------------------------------------- */

/* Text borrowed from JavaScript strings for the time of one call. */
struct borrowed {
  JSContext *ctx;
  const char *text[16];
  size_t count;
};
void borrowed_release(struct borrowed *borrowed);

struct bytes {
  uint8_t *data;
  size_t size;
};

/*
 * All return 0; -1 with a pending exception; or, arg_text only, -EINVAL for text with an embedded NUL, which the
 * kernel would silently cut.
 */
int arg_integer(JSContext *ctx, JSValueConst value, int64_t *out);
int arg_int32(JSContext *ctx, JSValueConst value, int *out);
/* A string, or bytes that hold a NUL (a path that is not UTF-8). */
int arg_text(struct borrowed *borrowed, JSValueConst value, const char **out);
/* A typed array. */
int arg_bytes(JSContext *ctx, JSValueConst value, struct bytes *out);
/* Three arguments: buffer, offset, length. */
int arg_range(JSContext *ctx, JSValueConst *argv, struct bytes *out);
/* The length of an array, refused beyond `limit`. */
int arg_array_length(JSContext *ctx, JSValueConst value, uint32_t limit, uint32_t *out);

/* A call's result for JavaScript. */
JSValue result_of(JSContext *ctx, long result);

/* --- calls.c: the table of plain system calls ----------------------------------------------------------------- */

struct prepared_call {
  long number;
  long argument[6];
};
extern const size_t call_count;
const char *call_name(size_t index);
int call_find(const char *name);
/* Results as for arg_text. */
int call_prepare(struct borrowed *borrowed, size_t index, int argc, JSValueConst *argv, struct prepared_call *out);
/* A result or the negated errno. */
long call_make(const struct prepared_call *call);
JSValue call_native(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv, int index);

/* --- the calls that need more than the table ------------------------------------------------------------------- */

typedef JSValue native_function(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv);

native_function native_readv, native_writev, native_read_pieces;                          /* vectors.c */
native_function native_sendmsg, native_recvmsg;                                           /* messages.c */
native_function native_ioctl, native_setgroups;                                            /* control.c */
native_function native_fork, native_fork_into, native_spawn, native_execve, native_exit;    /* process.c */
native_function native_execve_filtered, native_reset_signals;                             /* process.c */
native_function native_bear;                                                              /* birth.c */
native_function native_drop_bounding, native_own_user;                                    /* process.c */
native_function native_bpf_load, native_bpf_attach, native_bpf_attached, native_bpf_by_id; /* filters.c */
native_function native_encode_utf8, native_decode_utf8;                                   /* text.c */
native_function native_set_handlers, native_set_active, native_set_main;                   /* loop.c */
native_function native_epoll_control;                                                     /* loop.c */
native_function native_collect_garbage, native_limit_memory, native_memory_used,
    native_memory_has_run_out; /* runtime.c */

/* Every signal to its default and none blocked: what a new program expects to find. */
void signals_reset(void);

#endif
