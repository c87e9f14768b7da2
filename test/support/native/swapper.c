/*
 * Swaps a directory with a symbolic link as fast as it can, as a guest may do in a directory that is shared with it.
 *
 *   swapper DIRECTORY NAME TARGET
 *
 * DIRECTORY/NAME must exist. A link to TARGET is made next to it, and the two exchange names until the parent process
 * is gone, or a signal arrives. Prints one line when it begins.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXCHANGE 2

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int directory = open(argv[1], O_PATH | O_DIRECTORY);
  if (directory < 0 || symlinkat(argv[3], directory, ".other") < 0) {
    perror("swapper");
    return 1;
  }
  puts("swapping");
  fflush(stdout);
  /* Fails and retries while the name is a mount point on this side. */
  for (;;) syscall(SYS_renameat2, directory, argv[2], directory, ".other", EXCHANGE);
}
