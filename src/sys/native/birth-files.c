/* Set-up by steps: files below the container's root. The kernel resolves every path as if that were the root. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "birth.h"

/* From linux/openat2.h, which the C library lacks. */
struct open_how {
  uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_IN_ROOT 0x10

/* Mode of files and directories that have to be created, as in runc. */
#define MODE 0755
#define ATTEMPTS 128
#define NAME_SIZE 256

static const char *relative(const char *path) {
  while (*path == '/')
    path++;
  return *path == 0 ? "." : path;
}

int birth_open(struct birth_process *process, const char *path, int flags, uint64_t resolve) {
  struct open_how how = {
      .flags = (uint64_t)(unsigned)(flags | O_PATH | O_CLOEXEC),
      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
  long result = -EAGAIN;
  /* A rename or mount elsewhere can disturb the resolution of "..". */
  for (int attempt = 0; result == -EAGAIN && attempt < ATTEMPTS; attempt++) {
    result = syscall(SYS_openat2, process->root, relative(path), &how, sizeof how);
    if (result < 0)
      result = -errno;
  }
  if (result == -ENOENT || result == -ENOTDIR)
    return -ENOENT;
  return (int)birth_must(process, result);
}

/* Opens the directory `name` in `parent`, creating it if missing. Closes the parent unless it is the root. */
static int descend(struct birth_process *process, int parent, const char *name) {
  int flags = O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC;
  int fd = openat(parent, name, flags);
  if (fd < 0 && errno == ENOENT) {
    /* Another process may have created it meanwhile. */
    if (mkdirat(parent, name, MODE) < 0 && errno != EEXIST)
      birth_refuse(process, errno);
    fd = openat(parent, name, flags);
  }
  if (fd < 0)
    birth_refuse(process, errno);
  if (parent != process->root)
    close(parent);
  return fd;
}

/* Opens the parent of the path's last component, creating missing directories. Copies the last component. */
static int walk(struct birth_process *process, const char *path, char last[NAME_SIZE]) {
  int at = process->root;
  last[0] = 0;
  for (const char *name = relative(path); *name != 0;) {
    size_t length = strcspn(name, "/");
    if (length >= NAME_SIZE)
      birth_refuse(process, ENAMETOOLONG);
    if (last[0] != 0)
      at = descend(process, at, last);
    memcpy(last, name, length);
    last[length] = 0;
    if (strcmp(last, "..") == 0)
      birth_refuse(process, EINVAL);
    name += length;
    while (*name == '/')
      name++;
  }
  return at;
}

int birth_open_directory(struct birth_process *process, const char *path, uint64_t resolve) {
  char last[NAME_SIZE];
  int fd = birth_open(process, path, O_DIRECTORY, resolve);
  if (fd >= 0)
    return fd;
  int parent = walk(process, path, last);
  return descend(process, parent, last);
}

int birth_make_file(struct birth_process *process, const char *path) {
  char last[NAME_SIZE];
  int parent = walk(process, path, last);
  if (mknodat(parent, last, S_IFREG | MODE, 0) < 0)
    birth_refuse(process, errno);
  int fd = openat(parent, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    birth_refuse(process, errno);
  if (parent != process->root)
    close(parent);
  return fd;
}

unsigned birth_mode(struct birth_process *process, int fd) {
  struct stat status;
  if (fstat(fd, &status) < 0)
    birth_refuse(process, errno);
  return status.st_mode;
}

/* Opens the directory for the node or symlink of a step; `name` is the last component. */
static int parent_of(struct birth_process *process, const char *path, const char **name) {
  char directory[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (slash == NULL || (size_t)(slash - path) >= sizeof directory)
    birth_refuse(process, EINVAL);
  memcpy(directory, path, (size_t)(slash - path));
  directory[slash - path] = 0;
  *name = slash + 1;
  return birth_open_directory(process, directory, 0);
}

/* Arguments: path, type and permissions, major, minor, user, group */
void birth_device(struct birth_process *process) {
  const char *name, *path = birth_text(process);
  mode_t mode = (mode_t)birth_integer(process);
  unsigned major = (unsigned)birth_integer(process), minor = (unsigned)birth_integer(process);
  uid_t uid = (uid_t)birth_integer(process);
  gid_t gid = (gid_t)birth_integer(process);
  int parent = parent_of(process, path, &name);
  /* If the image has a file here, the agent's own code decides. */
  if (mknodat(parent, name, mode, makedev(major, minor)) < 0 ||
      fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
    birth_refuse(process, errno);
  close(parent);
}

/* Arguments: path, target, whether an existing file is replaced */
void birth_link(struct birth_process *process) {
  const char *name, *path = birth_text(process), *target = birth_text(process);
  int64_t replaces = birth_integer(process);
  int parent = parent_of(process, path, &name);
  /* A file of the image stays, as with runc; if it must be replaced, the agent's own code does that. */
  if (symlinkat(target, parent, name) < 0 && (errno != EEXIST || replaces))
    birth_refuse(process, errno);
  close(parent);
}
