/*
 * Runs as a container's program with CAP_SYS_ADMIN: unmounts its root again and again, each time going to the root of its
 * mount namespace, and lists every file it can find below each. What a container can uncover is printed, one path a line.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

static int depth;

static int show(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status;
  (void)walk;
  /* Directories of the image are mount points; anything else is somebody's content. */
  if (type != FTW_D)
    printf("%d %s\n", depth, path);
  return 0;
}

int main(void) {
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
