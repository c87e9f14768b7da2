/* Set-up by steps: limits, user, privileges, environment and executable of the program, and its execution. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "birth.h"
#include "process.h"

/* The largest limit that select(2) can handle; the agent's own limit, which is inherited, is far higher. */
#define USUAL_DESCRIPTORS 1024
/* A longer file is left to the agent's own code. */
#define PASSWD_MAX 16384
#define GROUPS_MAX 64
#define TEXTS_MAX 4096
#define CAPABILITY_VERSION 0x20080522
#define CAP_SYS_ADMIN 21

struct limit {
  uint64_t soft, hard;
};

static void limit(struct birth_process *process, int resource, const struct limit *wanted, struct limit *before) {
  if (syscall(SYS_prlimit64, 0, resource, wanted, before) < 0)
    birth_refuse(process, errno);
}

/* Arguments: resource, soft and hard limit, as 64-bit values */
void birth_limit(struct birth_process *process) {
  int resource = (int)birth_integer(process);
  struct limit wanted = {.soft = (uint64_t)birth_integer(process)};
  wanted.hard = (uint64_t)birth_integer(process);
  limit(process, resource, &wanted, NULL);
}

void birth_usual_descriptors(struct birth_process *process) {
  struct limit usual;
  limit(process, RLIMIT_NOFILE, NULL, &usual);
  usual.soft = usual.hard < USUAL_DESCRIPTORS ? usual.hard : USUAL_DESCRIPTORS;
  limit(process, RLIMIT_NOFILE, &usual, NULL);
}

/* Field `index` of the line from `line` to `end`; NULL if there are fewer. */
static const char *field(const char *line, const char *end, int index, size_t *length) {
  for (; index > 0; index--) {
    line = memchr(line, ':', (size_t)(end - line));
    if (line == NULL)
      return NULL;
    line++;
  }
  const char *colon = memchr(line, ':', (size_t)(end - line));
  *length = (size_t)((colon == NULL ? end : colon) - line);
  return line;
}

/* Argument: user id */
void birth_home(struct birth_process *process) {
  char text[PASSWD_MAX], id[16];
  size_t id_length = (size_t)snprintf(id, sizeof id, "%u", (unsigned)birth_integer(process));
  strcpy(process->home, "HOME=/");
  int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    return;
  ssize_t size = 0, more;
  while ((more = read(fd, text + size, sizeof text - (size_t)size)) > 0)
    if ((size += more) == sizeof text)
      birth_refuse(process, EFBIG);
  close(fd);
  /* The file cannot be read. */
  if (more < 0)
    return;
  for (const char *line = text, *end = text + size; line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (stop == NULL)
      stop = end;
    size_t length = 0, home_length = 0;
    const char *uid = field(line, stop, 2, &length);
    const char *home = field(line, stop, 5, &home_length);
    if (uid != NULL && home != NULL && home_length > 0 && length == id_length && memcmp(uid, id, length) == 0) {
      for (size_t i = 0; i < home_length; i++)
        if (home[i] <= 0)
          birth_refuse(process, EILSEQ);
      if (home_length >= sizeof process->home - 5)
        birth_refuse(process, ENAMETOOLONG);
      memcpy(process->home + 5, home, home_length);
      process->home[5 + home_length] = 0;
      return;
    }
    line = stop + 1;
  }
}

/* Argument: path */
void birth_working_directory(struct birth_process *process) {
  char path[PATH_MAX];
  if (chdir(birth_text(process)) < 0 || syscall(SYS_getcwd, path, sizeof path) < 0)
    birth_refuse(process, errno);
  /* The path of a directory outside the root begins with "(unreachable)". */
  if (path[0] != '/')
    birth_refuse(process, ENOENT);
}

struct capability_header {
  uint32_t version;
  int pid;
};

struct capability_data {
  uint32_t effective, permitted, inheritable;
};

static void capability_call(struct birth_process *process, long call, struct capability_data data[2]) {
  struct capability_header header = {.version = CAPABILITY_VERSION};
  if (syscall(call, &header, data) < 0)
    birth_refuse(process, errno);
}

static void capabilities_set(struct birth_process *process, uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct capability_data data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
  capability_call(process, SYS_capset, data);
}

static void take_groups(struct birth_process *process) {
  gid_t groups[GROUPS_MAX];
  int64_t count = birth_integer(process);
  if (count < 0 || count > GROUPS_MAX)
    birth_refuse(process, EINVAL);
  for (int64_t i = 0; i < count; i++)
    groups[i] = (gid_t)birth_integer(process);
  if (syscall(SYS_setgroups, count, groups) < 0)
    birth_refuse(process, errno);
}

/*
 * Arguments: no_new_privs; bounding, permitted, inheritable, effective and ambient set; number of additional groups,
 * the groups; group, user, umask. See child/identity.ts.
 */
void birth_identity(struct birth_process *process) {
  struct capability_data own[2];
  process->no_new_privileges = birth_integer(process) != 0;
  uint64_t bounding = (uint64_t)birth_integer(process), permitted = (uint64_t)birth_integer(process);
  uint64_t inheritable = (uint64_t)birth_integer(process), effective = (uint64_t)birth_integer(process);
  uint64_t ambient = (uint64_t)birth_integer(process);
  if (process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    birth_refuse(process, errno);
  capability_call(process, SYS_capget, own);
  uint64_t available = own[0].permitted | (uint64_t)own[1].permitted << 32;
  uint64_t dropped = ~(bounding & available);
  birth_must(process, bounding_drop((uint32_t)dropped, (uint32_t)(dropped >> 32)));
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
    birth_refuse(process, errno);
  take_groups(process);
  gid_t gid = (gid_t)birth_integer(process);
  uid_t uid = (uid_t)birth_integer(process);
  if (syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
    birth_refuse(process, errno);
  umask((mode_t)birth_integer(process));
  permitted &= available;
  inheritable &= available;
  /* Kept until the filter is set, see child/seccomp.ts. */
  bool keeps_admin = process->filter.count > 0 && !process->no_new_privileges;
  uint64_t kept = keeps_admin ? (1ull << CAP_SYS_ADMIN) & available : 0;
  capabilities_set(process, effective & permitted, permitted | kept, inheritable);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
    birth_refuse(process, errno);
  ambient &= permitted & inheritable;
  for (unsigned long bit = 0; bit < 64; bit++)
    if ((ambient >> bit & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0) < 0)
      birth_refuse(process, errno);
}

static bool is_executable(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && faccessat(AT_FDCWD, path, X_OK, 0) == 0;
}

/* Arguments: number of paths, the paths. The first executable one is used. */
void birth_executable(struct birth_process *process) {
  process->executable = NULL;
  for (int64_t count = birth_integer(process); count > 0; count--) {
    const char *path = birth_text(process);
    if (process->executable == NULL && is_executable(path))
      process->executable = path;
  }
  if (process->executable == NULL)
    birth_refuse(process, ENOENT);
}

static size_t take_texts(struct birth_process *process, char *out[TEXTS_MAX + 2]) {
  int64_t count = birth_integer(process);
  if (count < 0 || count > TEXTS_MAX)
    birth_refuse(process, E2BIG);
  for (int64_t i = 0; i < count; i++)
    out[i] = (char *)(uintptr_t)birth_text(process);
  out[count] = NULL;
  return (size_t)count;
}

static void raise_admin(struct birth_process *process) {
  struct capability_data own[2];
  capability_call(process, SYS_capget, own);
  own[0].effective |= 1u << CAP_SYS_ADMIN;
  capability_call(process, SYS_capset, own);
}

/*
 * The agent turns this into an error. Since the process has been started, the agent's own code cannot take over any
 * more.
 */
static void tell_failure(const struct birth_process *process, const char *call, int error) {
  char message[PATH_MAX + 64];
  int length = snprintf(message, sizeof message, "{\"kind\":\"refused\",\"call\":\"%s\",\"errno\":%d}%c%s", call, error, 0,
                        process->executable);
  if (write(process->control, message, (size_t)length) < 0)
    return;
}

/* Arguments: arguments and environment, each as a number and strings */
void birth_execute(struct birth_process *process) {
  static char *argv[TEXTS_MAX + 2], *env[TEXTS_MAX + 2];
  take_texts(process, argv);
  size_t count = take_texts(process, env);
  if (process->home[0] != 0) {
    env[count] = process->home;
    env[count + 1] = NULL;
  }
  int error = 0;
  const char *call = "exec";
  if (process->filter.count > 0) {
    if (!process->no_new_privileges)
      raise_admin(process);
    error = seccomp_filter_set(&process->filter);
    if (error != 0)
      call = "seccomp";
  }
  if (error == 0) {
    execve(process->executable, argv, env);
    error = -errno;
  }
  tell_failure(process, call, -error);
  process_end(127);
}
