/*
 * Runs a program and stops it, and everything that it starts, whenever it makes something durable below a given
 * directory: before a file is renamed, and before a directory is synced. The kernel holds the process in the system
 * call (seccomp user notification), so the program needs no changes, and SIGKILL ends a stopped process.
 *
 *   gate DIRECTORY PROGRAM ARG...
 *
 * Descriptor 3 is the control channel. Out: `rename ID PID FROM TO` or `sync ID PID PATH`, fields separated by tabs,
 * and `exit STATUS` (as a shell reports it) when the program has ended. In: `ID` lets that process go on. The gate's
 * descriptor 4 becomes the program's descriptor 3. The gate lives until everything that was started through it is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL = 3, CONVERSATION = 4, PATH_SIZE = 4096 };

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static const char *below;

static int die(const char *what) {
  dprintf(CONTROL, "error %s: %s\n", what, strerror(errno));
  exit(125);
}

/* In the child. Signals that do not kill must not interrupt a held call, which would then be reported twice. */
static int listen_to_calls(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rename, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
  return fd;
}

static void send_descriptor(int socket, int fd) {
  char byte = 0;
  struct iovec data = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) < 0) _exit(124);
}

static int receive_descriptor(int socket) {
  char byte;
  struct iovec data = {&byte, 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, 0) <= 0 || CMSG_FIRSTHDR(&message) == NULL) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

static int read_memory(pid_t pid, unsigned long long address, char *text) {
  char file[64];
  snprintf(file, sizeof file, "/proc/%d/mem", pid);
  int memory = open(file, O_RDONLY | O_CLOEXEC);
  if (memory < 0) return -1;
  ssize_t length = pread(memory, text, PATH_SIZE - 1, (off_t)address);
  close(memory);
  if (length <= 0) return -1;
  text[length] = 0;
  return 0;
}

static pid_t process_of(pid_t thread) {
  char file[64], line[256];
  snprintf(file, sizeof file, "/proc/%d/status", thread);
  FILE *status = fopen(file, "re");
  int pid = thread;
  if (status == NULL) return thread;
  while (fgets(line, sizeof line, status) != NULL && sscanf(line, "Tgid: %d", &pid) != 1) continue;
  fclose(status);
  return pid;
}

static int is_below(const char *path) {
  size_t length = strlen(below);
  return strncmp(path, below, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Returns 1 if the call has to be held; it has been reported then. */
static int tell(const struct seccomp_notif *call) {
  const __u64 *args = call->data.args;
  pid_t pid = process_of((pid_t)call->pid);
  char from[PATH_SIZE], to[PATH_SIZE];
  if (call->data.nr == SYS_fsync) {
    char link[64];
    struct stat status;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, (int)args[0]);
    ssize_t length = readlink(link, to, sizeof to - 1);
    if (length <= 0) return 0;
    to[length] = 0;
    if (!is_below(to) || stat(link, &status) < 0 || !S_ISDIR(status.st_mode)) return 0;
    dprintf(CONTROL, "sync\t%llu\t%d\t%s\n", (unsigned long long)call->id, pid, to);
    return 1;
  }
  int plain = call->data.nr == SYS_rename;
  if (read_memory(pid, args[plain ? 0 : 1], from) < 0 || read_memory(pid, args[plain ? 1 : 3], to) < 0) return 0;
  if (!is_below(to)) return 0;
  dprintf(CONTROL, "rename\t%llu\t%d\t%s\t%s\n", (unsigned long long)call->id, pid, from, to);
  return 1;
}

static void go_on(int listener, __u64 id) {
  struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  /* ENOENT: the process was killed meanwhile. */
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT) die("answer");
}

static void take_call(int listener) {
  struct seccomp_notif call = {0};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
    if (errno == ENOENT || errno == EINTR) return;
    die("receive");
  }
  if (!tell(&call)) go_on(listener, call.id);
}

/* Returns 0 if the other end of the control channel is closed. */
static int take_words(int listener) {
  static char text[4096];
  static size_t length;
  ssize_t more = read(CONTROL, text + length, sizeof text - 1 - length);
  if (more <= 0) return 0;
  length += (size_t)more;
  text[length] = 0;
  char *line = text;
  for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) go_on(listener, strtoull(line, NULL, 10));
  length -= (size_t)(line - text);
  memmove(text, line, length);
  return 1;
}

/* Closing a socket with unread input would discard our output. */
static int finish(void) {
  char bytes[256];
  shutdown(CONTROL, SHUT_WR);
  while (read(CONTROL, bytes, sizeof bytes) > 0) continue;
  return 0;
}

static int child_pipe[2];

static void on_child(int signal) {
  (void)signal;
  int saved = errno;
  (void)!write(child_pipe[1], "", 1);
  errno = saved;
}

/* As the subreaper it is the parent of all orphans. Returns 0 when no process is left. */
static int reap(pid_t program) {
  char bytes[16];
  int status;
  pid_t pid;
  (void)!read(child_pipe[0], bytes, sizeof bytes);
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != program) continue;
    dprintf(CONTROL, "exit\t%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  return pid == 0;
}

int main(int argc, char **argv) {
  int pair[2];
  if (argc < 3) return 125;
  below = argv[1];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || pipe2(child_pipe, O_CLOEXEC) < 0) die("pair");
  struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
  sigaction(SIGCHLD, &action, NULL);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) die("prctl");
  pid_t program = fork();
  if (program < 0) die("fork");
  if (program == 0) {
    int listener = listen_to_calls();
    if (listener < 0) die("seccomp");
    send_descriptor(pair[1], listener);
    close(listener);
    if (dup2(CONVERSATION, CONTROL) < 0) _exit(124);
    close(CONVERSATION);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  close(pair[1]);
  /* The program's streams end with the program. */
  for (int fd = 0; fd < 3; fd++) close(fd);
  close(CONVERSATION);
  int listener = receive_descriptor(pair[0]);
  if (listener < 0) die("listener");
  dprintf(CONTROL, "ready\t%d\n", program);
  struct pollfd waits[] = {{listener, POLLIN, 0}, {CONTROL, POLLIN, 0}, {child_pipe[0], POLLIN, 0}};
  for (;;) {
    if (poll(waits, 3, -1) < 0) {
      if (errno == EINTR) continue;
      die("poll");
    }
    if ((waits[2].revents & POLLIN) != 0 && !reap(program)) return finish();
    if (waits[0].revents & POLLIN) take_call(listener);
    /* No process has the filter any more: the rest only has to be reaped. */
    if (waits[0].revents & (POLLHUP | POLLERR)) waits[0].fd = -1;
    if (waits[1].revents != 0 && !take_words(listener)) return 0;
  }
}
