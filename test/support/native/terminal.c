/*
 * The terminal side of tests: runs a program on a pseudo terminal, or receives one over a console socket as an engine
 * does.
 *
 *   terminal run ROWS COLUMNS PROGRAM ARG...   ends with the program's status
 *   terminal console SOCKET                    listens, takes one descriptor, ends when the terminal hangs up
 *
 * Bytes go between descriptors 0 and 1 and the terminal. Descriptor 3 takes lines `size ROWS COLUMNS` and gets
 * `listening`, `received`, `hangup`, and after a run `terminal restored` or `terminal changed`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

enum { CONTROL = 3 };

static void fail(const char *what) {
  fprintf(stderr, "terminal: %s: %s\n", what, strerror(errno));
  exit(125);
}

static void report(const char *line) {
  if (write(CONTROL, line, strlen(line)) < 0 && errno != EBADF) fail("report");
}

static void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t done = write(fd, bytes, length);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return; /* the reader is gone; the test sees its own end */
    bytes += done;
    length -= (size_t)done;
  }
}

static void obey(int master) {
  char line[128];
  ssize_t length = read(CONTROL, line, sizeof line - 1);
  if (length <= 0) return;
  line[length] = 0;
  unsigned rows, columns;
  if (sscanf(line, "size %u %u", &rows, &columns) == 2) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    if (ioctl(master, TIOCSWINSZ, &size) < 0) fail("TIOCSWINSZ");
  }
}

/* Until no process has the terminal's slave open. */
static void pump(int master) {
  struct pollfd fds[3] = {{.fd = master, .events = POLLIN}, {.fd = 0, .events = POLLIN}, {.fd = CONTROL, .events = POLLIN}};
  char buffer[65536];
  for (;;) {
    if (poll(fds, 3, -1) < 0) {
      if (errno == EINTR) continue;
      fail("poll");
    }
    if (fds[0].revents) {
      ssize_t length = read(master, buffer, sizeof buffer);
      if (length <= 0) return;
      write_all(1, buffer, (size_t)length);
      continue;
    }
    if (fds[1].revents) {
      ssize_t length = read(0, buffer, sizeof buffer);
      if (length <= 0) fds[1].fd = -1;
      else write_all(master, buffer, (size_t)length);
    }
    if (fds[2].revents & POLLIN) obey(master);
    else if (fds[2].revents) fds[2].fd = -1;
  }
}

static int run(char **argv) {
  struct winsize size = {.ws_row = (unsigned short)atoi(argv[0]), .ws_col = (unsigned short)atoi(argv[1])};
  int master, slave;
  if (openpty(&master, &slave, NULL, NULL, &size) < 0) fail("openpty");
  struct termios before, after;
  if (tcgetattr(master, &before) < 0) fail("tcgetattr");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(master);
    close(CONTROL);
    if (login_tty(slave) < 0) fail("login_tty");
    execvp(argv[2], argv + 2);
    fail(argv[2]);
  }
  close(slave);
  pump(master);
  int status;
  if (waitpid(child, &status, 0) < 0) fail("waitpid");
  if (tcgetattr(master, &after) < 0) fail("tcgetattr"); /* a master answers with the slave's settings */
  int same = before.c_lflag == after.c_lflag && before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag;
  report(same ? "terminal restored\n" : "terminal changed\n");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int console(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("socket path too long");
  strcpy(address.sun_path, path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, 1) < 0) fail("listen");
  report("listening\n");
  int peer = accept(listener, NULL, NULL);
  if (peer < 0) fail("accept");
  char name[4096], space[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {name, sizeof name};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  if (recvmsg(peer, &message, 0) <= 0) fail("recvmsg");
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) fail("no descriptor came");
  int master;
  memcpy(&master, CMSG_DATA(header), sizeof master);
  close(peer);
  close(listener);
  report("received\n");
  pump(master);
  report("hangup\n");
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc >= 5 && strcmp(argv[1], "run") == 0) return run(argv + 2);
  if (argc == 3 && strcmp(argv[1], "console") == 0) return console(argv[2]);
  fprintf(stderr, "usage: terminal run ROWS COLUMNS PROGRAM ARG... | terminal console SOCKET\n");
  return 125;
}
