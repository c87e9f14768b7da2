/*
 * Does what an engine's monitor does (conmon, containerd's runc shim): as a subreaper it runs a runtime's verb, reads
 * the pid file and waits for that process, which must be its descendant.
 *
 *   reaper PIDFILE RUNTIME ARG...
 *
 * Prints to descriptor 3: `verb STATUS` when the verb has ended, then `process STATUS` when the process of the pid file
 * has, or `error TEXT`. Statuses are as a shell reports them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL = 3 };

static int shell_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int fail(const char *what) {
  dprintf(CONTROL, "error %s: %s\n", what, strerror(errno));
  return 125;
}

int main(int argc, char **argv) {
  if (argc < 3) return 125;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return fail("prctl");
  pid_t verb = fork();
  if (verb < 0) return fail("fork");
  if (verb == 0) {
    close(CONTROL);
    execvp(argv[2], argv + 2);
    _exit(125);
  }
  /* The process must survive the end of our copies: only the runtime's children hold the streams from here. */
  for (int fd = 0; fd < 3; fd++) close(fd);
  int status;
  if (waitpid(verb, &status, 0) < 0) return fail("waitpid verb");
  dprintf(CONTROL, "verb %d\n", shell_status(status));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;

  char text[32] = {0};
  int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, text, sizeof text - 1) <= 0) return fail("pid file");
  close(file);
  char *end;
  long pid = strtol(text, &end, 10);
  if (pid <= 0 || *end != 0) {
    errno = EINVAL;
    return fail("pid file content");
  }
  dprintf(CONTROL, "pid %ld\n", pid);
  if (waitpid((pid_t)pid, &status, 0) < 0) return fail("waitpid process");
  dprintf(CONTROL, "process %d\n", shell_status(status));
  return 0;
}
