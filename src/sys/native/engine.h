/*
 * The small engine's C host: QuickJS, the system calls and an epoll loop, for one module of bytecode. Whatever can be
 * decided in TypeScript is decided there (`sys/linux`, `sys/engine`); C only does what needs pointers.
 *
 * Rules that hold in every file:
 * - A native function returns a result >= 0 or the negated errno. It throws only for a caller's bug: an argument of the
 *   wrong type, or a range that does not lie in its buffer.
 * - A buffer is passed to the kernel only after its size has been checked, and no JavaScript runs between that check
 *   and the call, so it can neither move nor shrink.
 */
#ifndef KUMITE_ENGINE_H
#define KUMITE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * One module of bytecode; the build generates the table (tools/engine/executable.ts). The first module is the default;
 * those whose name ends in ".js" are only imported by others.
 */
struct engine_module {
  const char *name;
  const uint8_t *code;
  const uint8_t *end;
  /* Not 0 for a module that starts from the image. For the first module, the image contains everything. */
  size_t starts_from_image;
  /* Size of the uncompressed code; 0: the code is not compressed. */
  size_t unpacked_size;
};
extern const struct engine_module engine_modules[];
extern const size_t engine_module_count;
/* Language features of this program beyond those of all programs; ends with NULL. Also generated. */
typedef void engine_feature(JSContext *ctx);
extern engine_feature *const engine_features[];
/* Size of the heap image at ENGINE_IMAGE_ADDRESS in bytes, or 0; also generated. */
extern const size_t engine_image_size;
/* The build uses the same address. */
#define ENGINE_IMAGE_ADDRESS 0x10000000

/* --- runtime.c: the runtime and its limits ------------------------------------------------------------------------ */

JSContext *engine_start(void);
/* Evaluates the module; returns the promise of its evaluation, or JS_EXCEPTION. */
JSValue engine_evaluate(JSContext *ctx, const struct engine_module *module);
/* Limits the depth of calls, counted from the caller's frame. */
void engine_limit_stack(JSContext *ctx);
/* Sets how much may be allocated until garbage is collected. */
void engine_limit_garbage(JSContext *ctx);
/* The last resort when JavaScript cannot report an error: prints it with its stack to descriptor 2. Frees nothing. */
void engine_print_error(JSContext *ctx, JSValueConst error);

/* --- unpack.c: decompression of code ------------------------------------------------------------------------------ */

/* Returns whether the data was complete and had that size. */
bool unpack(const uint8_t *from, const uint8_t *from_end, uint8_t *to, size_t size);

/* --- allocator.c: memory for JavaScript --------------------------------------------------------------------------- */

extern const JSMallocFunctions engine_allocator;
void allocator_forked(void);
/* Whether forks exclude JavaScript's memory. */
void allocator_leave_behind(bool yes);
/* Bytes that JavaScript holds, without an image, as of its last allocation. */
size_t allocator_in_use(void);
/* Whether an allocation has ever failed: a later error is probably a consequence of that. */
bool allocator_has_run_out(void);

/* From here on, all blocks lie between these addresses, including large ones. */
void allocator_place(char *begin, char *end);
/* Ends that: later blocks lie elsewhere. Returns the end of the used part, rounded up to `alignment`. */
char *allocator_save(size_t alignment);
/* For a process that has the image; `end` is what allocator_save returned. */
void allocator_restore(char *end);

/* --- image.c: the heap that is saved when the executable is built ------------------------------------------------- */

bool image_is_present(void);
/* Returns what engine_start and engine_evaluate would return. */
JSContext *image_open(JSValue *evaluation);
/* Writes an image of this module to standard output; returns an exit status. */
int image_make(const struct engine_module *module);

/* --- native-module.c: the module "kumite:native" ------------------------------------------------------------------ */

int native_module_register(JSContext *ctx);
/* Sets the command line for `processArguments()`. */
void native_module_arguments(char **argv);

/* --- loop.c: events, jobs and failures ---------------------------------------------------------------------------- */

/* Runs until nothing is waited for; returns the exit status. Takes ownership of the promise. */
int loop_run(JSContext *ctx, JSValue evaluation);
int loop_init(JSContext *ctx);
/* What JavaScript has told the loop. */
struct loop_state {
  JSValue on_event, on_uncaught, main;
};
/* Call after the evaluation. Returns the reason why `state` would not be complete, or NULL. */
const char *loop_save(JSContext *ctx, JSValue evaluation, struct loop_state *state);
int loop_restore(JSContext *ctx, const struct loop_state *state);
/* For a module that is evaluated after another one. */
void loop_forget_main(JSContext *ctx);
/* For a forked child: it shares the epoll instance with the parent, so the loop must never run there. */
void loop_disown(void);

/* --- arguments.c: from JavaScript values to arguments of system calls --------------------------------------------- */

/* C strings borrowed from JavaScript strings for the duration of a call. */
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
 * All return 0, or -1 with a pending exception. arg_text may also return -EINVAL for a string with an embedded NUL,
 * which the kernel would silently truncate.
 */
int arg_integer(JSContext *ctx, JSValueConst value, int64_t *out);
int arg_int32(JSContext *ctx, JSValueConst value, int *out);
/* A string, or bytes with a NUL at the end (for a path that is not UTF-8). */
int arg_text(struct borrowed *borrowed, JSValueConst value, const char **out);
/* A typed array. */
int arg_bytes(JSContext *ctx, JSValueConst value, struct bytes *out);
/* Reads three arguments: buffer, offset, length. */
int arg_range(JSContext *ctx, JSValueConst *argv, struct bytes *out);
/* The length of an array; refuses more than `limit`. */
int arg_array_length(JSContext *ctx, JSValueConst value, uint32_t limit, uint32_t *out);

/* Converts a call's result for JavaScript. */
JSValue result_of(JSContext *ctx, long result);

/* --- calls.c: the table of plain system calls --------------------------------------------------------------------- */

struct prepared_call {
  long number;
  long argument[6];
};
extern const size_t call_count;
const char *call_name(size_t index);
int call_find(const char *name);
/* Returns what arg_text returns. */
int call_prepare(struct borrowed *borrowed, size_t index, int argc, JSValueConst *argv, struct prepared_call *out);
/* Returns a result or the negated errno. */
long call_make(const struct prepared_call *call);
JSValue call_native(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv, int index);

/* --- calls that are not in the table ------------------------------------------------------------------------------ */

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
native_function native_epoll_control, native_end_without_memory;                          /* loop.c */
native_function native_collect_garbage, native_limit_memory, native_memory_used,
    native_memory_has_run_out; /* runtime.c */

/* Resets every signal to its default and unblocks all, as a new program expects. */
void signals_reset(void);

#endif
