/*
 * Maps a file without keeping a descriptor for it. With each SIGUSR1 it makes the kernel read some of the file ahead,
 * which does not wait for the daemon that serves the file. Prints "ready" and "asked".
 *
 *   late FILE
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PART = 1 << 20, PARTS = 64 };

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return perror(argv[1]), 1;
  char *file = mmap(NULL, (size_t)PART * PARTS, PROT_READ, MAP_SHARED, fd, 0);
  if (file == MAP_FAILED)
    return perror("mmap"), 1;
  close(fd);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  puts("ready");
  for (int part = 0; part < PARTS; part++) {
    int number;
    fflush(stdout);
    sigwait(&set, &number);
    if (madvise(file + (size_t)part * PART, PART, MADV_WILLNEED) < 0)
      return perror("madvise"), 1;
    puts("asked");
  }
  return 0;
}
