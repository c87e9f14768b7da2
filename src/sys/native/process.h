/* What fork (process.c) and spawn (spawn.c) share. */
#ifndef KUMITE_PROCESS_H
#define KUMITE_PROCESS_H

#include "engine.h"

/* A program with its arguments and environment, in the kernel's format. */
struct program {
  JSContext *ctx;
  struct borrowed path_text;
  const char *path;
  char **argv;
  char **env;
};

/* Reads path, argv and env from JavaScript; returns what arg_text returns. The program must be released in any case. */
int program_take(struct program *program, JSValueConst *argv);
void program_release(struct program *program);

/* Reads the flags of a fork. Returns 0, or -1 with a pending exception. */
int fork_flags(JSContext *ctx, JSValueConst value, long *out);

/* Forks into the cgroup of this directory. Returns what fork(2) returns, or a negated errno. */
long process_birth(int64_t flags, int cgroup);

/* Removes these capabilities, given as bits, from the bounding set; returns 0 or a negated errno. */
int bounding_drop(uint32_t low, uint32_t high);

/*
 * Sets user and group id to numbers that no other process has, `first` plus the pid, with `group` as the only
 * additional group, or none if it is 0. Returns 0 or a negated errno.
 */
int own_user_become(uint32_t first, uint32_t group);

/*
 * Like _exit(2), but always ends the process: a seccomp filter may refuse the call, and the C library would repeat it
 * forever.
 */
_Noreturn void process_end(int status);

#endif
