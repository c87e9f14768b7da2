/* What the two ways to another process share: by fork (process.c) and by spawn (spawn.c). */
#ifndef KUMITE_PROCESS_H
#define KUMITE_PROCESS_H

#include "engine.h"

/* A program and what it is started with, as the kernel wants them. */
struct program {
  JSContext *ctx;
  struct borrowed path_text;
  const char *path;
  char **argv;
  char **env;
};

/* Takes path, argv and env from JavaScript; results as for arg_text. Whatever it returns, release it. */
int program_take(struct program *program, JSValueConst *argv);
void program_release(struct program *program);

/* The flags of a birth; 0, or -1 with a pending exception. */
int fork_flags(JSContext *ctx, JSValueConst value, long *out);

/* A fork that is born in the cgroup of this directory: as fork(2), or a negated errno. */
long process_birth(int64_t flags, int cgroup);

/* Takes the capabilities with these bits from the bounding set; 0 or a negated errno. */
int bounding_drop(uint32_t low, uint32_t high);

/*
 * Makes this process a user and a group that no other has: `first` plus its pid, with `group` beside them unless that is 0.
 * Returns 0 or a negated errno.
 */
int own_user_become(uint32_t first, uint32_t group);

/* As _exit(2), and for certain: a seccomp filter may refuse even that, and the C library would call it again for ever. */
_Noreturn void process_end(int status);

#endif
