/*
 * Makes a process of this host do one system call, like a program under an attacker's control: for tests of its
 * confinement.
 *
 *   inject PID NUMBER [ARGUMENT]...
 *
 * An argument is a number, or `=TEXT` for the address of that text. Prints `result N` with the return value (a negated
 * errno if the call failed), `killed N` if the process was killed by that signal, or `ended its first thread` if only
 * that thread was. x86-64 only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* RED_ZONE: the area that the interrupted code may use below its stack pointer. */
enum { RED_ZONE = 128, TEXT_SIZE = 256, ARGUMENTS_MAX = 6, LOOKS = 1000 };

static int die(const char *what) {
  fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void put_text(pid_t pid, unsigned long address, const char *text) {
  struct iovec from = {(void *)text, strlen(text) + 1}, to = {(void *)address, strlen(text) + 1};
  if (process_vm_writev(pid, &from, 1, &to, 1, 0) < 0) die("write");
}

/* Whether the first thread has ended while others go on: then the process has no end to wait for. */
static int is_zombie(pid_t pid) {
  char file[64], line[512], state = 0;
  snprintf(file, sizeof file, "/proc/%d/stat", pid);
  FILE *stat = fopen(file, "re");
  if (stat == NULL) return 0;
  if (fgets(line, sizeof line, stat) != NULL && strrchr(line, ')') != NULL) state = strrchr(line, ')')[2];
  fclose(stat);
  return state == 'Z';
}

/* Waits for a stop; if the process ends instead, prints how. */
static int stopped(pid_t pid) {
  int status;
  pid_t found;
  int looks = 0;
  while ((found = waitpid(pid, &status, __WALL | WNOHANG)) == 0) {
    if (!is_zombie(pid)) looks = 0;
    /* When a whole process ends, its other threads follow at once. */
    else if (++looks > LOOKS) {
      printf("ended its first thread\n");
      return 0;
    }
    usleep(1000);
  }
  if (found < 0) die("wait");
  if (WIFSTOPPED(status)) return 1;
  if (WIFSIGNALED(status)) printf("killed %d\n", WTERMSIG(status));
  else printf("exited %d\n", WEXITSTATUS(status));
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 3 + ARGUMENTS_MAX) return 2;
  pid_t pid = atoi(argv[1]);
  struct user_regs_struct before, call;
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0) die("seize");
  if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0) die("interrupt");
  if (!stopped(pid)) return 0;
  if (ptrace(PTRACE_GETREGS, pid, 0, &before) < 0) die("registers");
  call = before;
  /* The process waits in a system call, like an event loop: right behind the instruction that is needed. */
  errno = 0;
  long code = ptrace(PTRACE_PEEKTEXT, pid, before.rip - 2, 0);
  if (errno != 0 || (code & 0xffff) != 0x050f) {
    errno = EAGAIN;
    die("it is not in a system call");
  }
  unsigned long long *registers[ARGUMENTS_MAX] = {&call.rdi, &call.rsi, &call.rdx, &call.r10, &call.r8, &call.r9};
  unsigned long space = before.rsp - RED_ZONE - ARGUMENTS_MAX * TEXT_SIZE;
  for (int at = 0; at < ARGUMENTS_MAX; at++) {
    const char *text = at + 3 < argc ? argv[at + 3] : "0";
    *registers[at] = strtoull(text, NULL, 0);
    if (text[0] != '=') continue;
    *registers[at] = space + (unsigned long)at * TEXT_SIZE;
    put_text(pid, *registers[at], text + 1);
  }
  call.rip -= 2;
  call.rax = strtoull(argv[2], NULL, 0);
  call.orig_rax = (unsigned long long)-1;
  if (ptrace(PTRACE_SETREGS, pid, 0, &call) < 0) die("registers");
  if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0) die("step");
  if (!stopped(pid)) return 0;
  if (ptrace(PTRACE_GETREGS, pid, 0, &call) < 0) die("registers");
  printf("result %lld\n", (long long)call.rax);
  if (ptrace(PTRACE_SETREGS, pid, 0, &before) < 0) die("registers");
  ptrace(PTRACE_DETACH, pid, 0, 0);
  return 0;
}
