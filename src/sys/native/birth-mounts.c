/*
 * Set-up by steps: the container's mounts. Each is complete before it is attached to the descriptor of its destination.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "birth.h"

/* From linux/mount.h and linux/openat2.h. */
#define OPEN_TREE_CLONE 1
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define MOUNT_ATTR_RDONLY 1
#define RESOLVE_NO_SYMLINKS 0x04
#define AT_RECURSIVE 0x8000

struct attributes {
  uint64_t set, clear, propagation, user_namespace;
};

struct change {
  uint64_t set, clear;
};

static struct change take_change(struct birth_process *process) {
  struct change change = {.set = (uint64_t)birth_integer(process)};
  change.clear = (uint64_t)birth_integer(process);
  return change;
}

static void set_attributes(struct birth_process *process, int mount, const char *path, int flags,
                           const struct attributes *attributes) {
  if (syscall(SYS_mount_setattr, mount, path, flags, attributes, sizeof *attributes) < 0)
    birth_refuse(process, errno);
}

static void change(struct birth_process *process, int mount, struct change change, bool recursive) {
  struct attributes attributes = {.set = change.set, .clear = change.clear};
  if (change.set != 0 || change.clear != 0)
    set_attributes(process, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes);
}

static void propagate(struct birth_process *process, int mount, const char *path, uint64_t bits) {
  struct attributes attributes = {.propagation = bits & ~(uint64_t)MS_REC};
  int flags = (*path == 0 ? AT_EMPTY_PATH : 0) | ((bits & MS_REC) != 0 ? AT_RECURSIVE : 0);
  set_attributes(process, mount, path, flags, &attributes);
}

static int clone_of(struct birth_process *process, int fd, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  long result = syscall(SYS_open_tree, fd, "", flags);
  return (int)birth_must(process, result < 0 ? -errno : result);
}

static void attach(struct birth_process *process, int mount, int target) {
  if (syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    birth_refuse(process, errno);
}

static int open_file_system(struct birth_process *process, const char *type, const char *source) {
  long context = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", source, 0) < 0)
    birth_refuse(process, errno);
  return (int)context;
}

static int make_file_system(struct birth_process *process, int context, uint64_t attributes) {
  if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    birth_refuse(process, errno);
  long mount = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, (unsigned)attributes);
  if (mount < 0)
    birth_refuse(process, errno);
  close(context);
  return (int)mount;
}

/* Attaches a mount to its destination. Reads its propagation: the number of changes, and the changes. */
static void finish(struct birth_process *process, int mount, int target) {
  attach(process, mount, target);
  close(target);
  /* Propagation can be set only on an attached mount. */
  for (int64_t count = birth_integer(process); count > 0; count--)
    propagate(process, mount, "", (uint64_t)birth_integer(process));
}

/* Arguments: path, propagation */
void birth_attach_root(struct birth_process *process) {
  const char *path = birth_text(process);
  uint64_t propagation = (uint64_t)birth_integer(process);
  /* Mounts made here must not propagate to the agent; unmounts there must propagate to here. */
  propagate(process, AT_FDCWD, "/", MS_SLAVE | MS_REC);
  int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    birth_refuse(process, errno);
  process->root = clone_of(process, directory, true);
  attach(process, process->root, directory);
  close(directory);
  if ((propagation & MS_SHARED) == 0)
    propagate(process, process->root, "", propagation);
}

/*
 * Arguments: destination, type, source, attributes, recursive attributes (set, clear), whether the mount becomes
 * read-only late, whether it takes the mode of what it covers, number of parameters, the parameters (key, whether there
 * is a value, value), propagation
 */
void birth_mount_new(struct birth_process *process) {
  const char *destination = birth_text(process), *type = birth_text(process), *source = birth_text(process);
  uint64_t attributes = (uint64_t)birth_integer(process);
  struct change recursive = take_change(process);
  bool is_sealed = birth_integer(process) != 0, takes_mode = birth_integer(process) != 0;
  /* If there are symlinks on the way, the agent's own code checks where they lead. */
  int target = birth_open(process, destination, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
  bool existed = target >= 0;
  if (!existed)
    target = birth_open_directory(process, destination, RESOLVE_NO_SYMLINKS);
  int context = open_file_system(process, type, source);
  for (int64_t count = birth_integer(process); count > 0; count--) {
    const char *key = birth_text(process);
    bool has_value = birth_integer(process) != 0;
    const char *value = birth_text(process);
    if (syscall(SYS_fsconfig, context, has_value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key,
                has_value ? value : NULL, 0) < 0)
      birth_refuse(process, errno);
  }
  if (takes_mode && existed) {
    char mode[8];
    snprintf(mode, sizeof mode, "%o", birth_mode(process, target) & 07777);
    if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", mode, 0) < 0)
      birth_refuse(process, errno);
  }
  int mount = make_file_system(process, context, attributes);
  change(process, mount, recursive, true);
  finish(process, mount, target);
  if (!is_sealed) {
    close(mount);
    return;
  }
  if (process->sealed_count == BIRTH_SEALED_MAX)
    birth_refuse(process, EMFILE);
  process->sealed[process->sealed_count++] = mount;
}

/* Arguments: destination, source, whether it is recursive, recursive attributes, attributes, propagation */
void birth_mount_bind(struct birth_process *process) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
  const char *destination = birth_text(process), *path = birth_text(process);
  bool is_recursive = birth_integer(process) != 0;
  struct change recursive = take_change(process), own = take_change(process);
  /* A symlink in a directory that a container can write to would lead to the guest's own files. */
  long opened = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  int source = (int)birth_must(process, opened < 0 ? -errno : opened);
  bool is_directory = S_ISDIR(birth_mode(process, source));
  int target = birth_open(process, destination, is_directory ? O_DIRECTORY : 0, RESOLVE_NO_SYMLINKS);
  if (target < 0)
    target = is_directory ? birth_open_directory(process, destination, RESOLVE_NO_SYMLINKS)
                          : birth_make_file(process, destination);
  else if (!is_directory && S_ISDIR(birth_mode(process, target)))
    birth_refuse(process, EISDIR);
  int mount = clone_of(process, source, is_recursive);
  close(source);
  change(process, mount, recursive, true);
  change(process, mount, own, false);
  finish(process, mount, target);
  close(mount);
}

void birth_seal(struct birth_process *process) {
  for (size_t i = 0; i < process->sealed_count; i++) {
    change(process, process->sealed[i], (struct change){.set = MOUNT_ATTR_RDONLY}, false);
    close(process->sealed[i]);
  }
  process->sealed_count = 0;
}

/* Opens the path of a step; a path that does not exist needs no protection. */
static int present(struct birth_process *process) {
  return birth_open(process, birth_text(process), 0, 0);
}

/* Argument: path */
void birth_read_only(struct birth_process *process) {
  int target = present(process);
  if (target < 0)
    return;
  int mount = clone_of(process, target, true);
  /* Only this mount: those below keep their own attributes, as with runc. */
  change(process, mount, (struct change){.set = MOUNT_ATTR_RDONLY}, false);
  attach(process, mount, target);
  close(mount);
  close(target);
}

/* Argument: path */
void birth_mask(struct birth_process *process) {
  int mount, target = present(process);
  if (target < 0)
    return;
  if (S_ISDIR(birth_mode(process, target))) {
    mount = make_file_system(process, open_file_system(process, "tmpfs", "tmpfs"), MOUNT_ATTR_RDONLY);
  } else {
    /* The guest's own /dev/null; the container's might be any file. */
    int null = open("/dev/null", O_PATH | O_CLOEXEC);
    if (null < 0)
      birth_refuse(process, errno);
    mount = clone_of(process, null, false);
    close(null);
  }
  attach(process, mount, target);
  close(mount);
  close(target);
}

/* Arguments: propagation, whether the root is read-only */
void birth_enter_root(struct birth_process *process) {
  uint64_t propagation = (uint64_t)birth_integer(process);
  struct attributes read_only = {.set = MOUNT_ATTR_RDONLY};
  bool is_read_only = birth_integer(process) != 0;
  /* Stacks the old root on the new one, so that no directory in the container is needed for it. */
  if (fchdir(process->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
      chdir("/") < 0)
    birth_refuse(process, errno);
  close(process->root);
  process->root = -1;
  if ((propagation & MS_SHARED) != 0)
    propagate(process, AT_FDCWD, "/", MS_SHARED);
  if (is_read_only)
    set_attributes(process, AT_FDCWD, "/", 0, &read_only);
}
