/*
 * A process between its fork and its program, set up by a list of steps (birth.c). It is a fork without JavaScript's
 * heap, so nothing here may touch a JavaScript value. If a step cannot be done in the usual way, the process gives up
 * and tells the agent. The agent then sets up another process with its own, slower code, which handles every case and
 * reports errors in detail.
 */
#ifndef KUMITE_BIRTH_H
#define KUMITE_BIRTH_H

#include <stddef.h>
#include <stdint.h>

#include "filters.h"

/* Must match guest/steps/writer.ts. The arguments of each step are described where the step is implemented. */
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
  STEP_TAKE,
  STEP_KEYRING,
  STEP_PERSONALITY,
  STEP_FILTER,
};

#define BIRTH_SEALED_MAX 16
#define BIRTH_HOME_MAX 256

struct birth_process {
  /* The steps that remain. */
  const uint8_t *at, *end;
  /* Number of the current step, for the agent's log. */
  unsigned step;
  /* Socket to the agent. */
  int control;
  /* pidfd of the container's first process, or a descriptor of a namespace, or -1; and the namespaces to enter. */
  int container, entered;
  /* A seccomp filter; none if `count` is 0. */
  struct seccomp_filter filter;
  int root;
  /* Mounts that become read-only late. */
  int sealed[BIRTH_SEALED_MAX];
  size_t sealed_count;
  /* An entry to add to the environment; empty: none. */
  char home[BIRTH_HOME_MAX];
  /* The file to execute. */
  const char *executable;
  int no_new_privileges;
};

/* Ends the process; the agent must use its own code instead. `error` is an errno, negated or not. */
void birth_refuse(struct birth_process *process, long error) __attribute__((noreturn));
/* Returns the result; refuses if it is a negated errno. */
long birth_must(struct birth_process *process, long result);

/* Read the next argument from the list; they refuse if there is none. */
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

/* birth-files.c: files below the root, whose content is untrusted */

/* Returns an O_PATH descriptor; or -ENOENT, also if a parent is not a directory. */
int birth_open(struct birth_process *process, const char *path, int flags, uint64_t resolve);
/* Opens a directory, which is created if missing, together with its parents. Creating does not follow symlinks. */
int birth_open_directory(struct birth_process *process, const char *path, uint64_t resolve);
/* Opens a file, which is created empty. */
int birth_make_file(struct birth_process *process, const char *path);
/* S_IF* type and permissions. */
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
