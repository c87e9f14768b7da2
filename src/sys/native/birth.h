/*
 * A process between its birth and its program, set up by a list of steps (birth.c). It is a fork without the heap of
 * JavaScript: nothing here may touch a value of it. What a step cannot do in the usual way it does not do at all: the
 * agent is told, and sets up another process by its own, slower code, which knows every case and has the words for it.
 */
#ifndef KUMITE_BIRTH_H
#define KUMITE_BIRTH_H

#include <stddef.h>
#include <stdint.h>

#include "filters.h"

/* Also in birth/steps.ts. What they take is said where they are made. */
enum birth_step {
  STEP_END,
  STEP_WRITE,
  STEP_UNSHARE,
  STEP_HOST_NAME,
  STEP_DOMAIN_NAME,
  STEP_UMASK,
  STEP_ENTER_CONTAINER,
  STEP_ATTACH_ROOT,
  STEP_MOUNT_NEW,
  STEP_MOUNT_BIND,
  STEP_DEVICE,
  STEP_LINK,
  STEP_DIRECTORY,
  STEP_SEAL,
  STEP_READ_ONLY,
  STEP_MASK,
  STEP_ENTER_ROOT,
  STEP_USUAL_DESCRIPTORS,
  STEP_LIMIT,
  STEP_HOME,
  STEP_WORKING_DIRECTORY,
  STEP_IDENTITY,
  STEP_EXECUTABLE,
  STEP_AWAIT_START,
  STEP_EXECUTE,
  STEP_ASK,
  STEP_EXIT,
};

#define BIRTH_SEALED_MAX 16
#define BIRTH_HOME_MAX 256

struct birth_process {
  /* What is left of the steps. */
  const uint8_t *at, *end;
  /* Number of the step, for the agent's log. */
  unsigned step;
  /* Socket to the agent. */
  int control;
  /* pidfd of the container's first process, or something else that is held, or -1; which of its namespaces are entered. */
  int container, entered;
  /* Program of a seccomp filter; none when `count` is 0. */
  struct seccomp_filter filter;
  int root;
  /* Mounts that become read-only late. */
  int sealed[BIRTH_SEALED_MAX];
  size_t sealed_count;
  /* Entry of the environment that is added; empty: none. */
  char home[BIRTH_HOME_MAX];
  /* The file to execute. */
  const char *executable;
  int no_new_privileges;
};

/* Ends the process: the agent has to do it in its own way. `error` is an errno, negated or not. */
void birth_refuse(struct birth_process *process, long error) __attribute__((noreturn));
/* The result, unless it is a negated errno. */
long birth_must(struct birth_process *process, long result);

/* What is next in the list; what is not there is refused. */
int64_t birth_integer(struct birth_process *process);
const char *birth_text(struct birth_process *process);

/* birth-mounts.c */
void birth_attach_root(struct birth_process *process);
void birth_mount_new(struct birth_process *process);
void birth_mount_bind(struct birth_process *process);
void birth_seal(struct birth_process *process);
void birth_read_only(struct birth_process *process);
void birth_mask(struct birth_process *process);
void birth_enter_root(struct birth_process *process);

/* birth-files.c: files below the root, which somebody else fills */

/* O_PATH descriptor, or -ENOENT, also for what lies below something that is no directory. */
int birth_open(struct birth_process *process, const char *path, int flags, uint64_t resolve);
/* Of a directory, made with all above it when missing; without following a link that is met in making it. */
int birth_open_directory(struct birth_process *process, const char *path, uint64_t resolve);
/* Of a file, made empty. */
int birth_make_file(struct birth_process *process, const char *path);
/* S_IF… and permissions. */
unsigned birth_mode(struct birth_process *process, int fd);
void birth_device(struct birth_process *process);
void birth_link(struct birth_process *process);

/* birth-program.c */
void birth_limit(struct birth_process *process);
void birth_usual_descriptors(struct birth_process *process);
void birth_home(struct birth_process *process);
void birth_working_directory(struct birth_process *process);
void birth_identity(struct birth_process *process);
void birth_executable(struct birth_process *process);
void birth_execute(struct birth_process *process) __attribute__((noreturn));

#endif
