/*
 * The cheapest honest /init: no agent can be faster. Loads the modules that are needed to reach the host, opens the
 * first virtio port and writes one byte. With FLOOR=console in its environment (from a kernel parameter of that form)
 * it writes the byte to the console instead, loads nothing and answers nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not 0, which a console might drop, and nothing that a kernel prints by itself. */
static const char marker = '\001';

/* PID 1 must not return: the kernel would panic, and the reader might take its message for an answer. */
static _Noreturn void fail(const char *what, const char *subject)
{
	dprintf(2, "floor: %s %s: %s\n", what, subject, strerror(errno));
	for (;;)
		pause();
}

static void load_modules(const char *list)
{
	char path[256];
	FILE *file = fopen(list, "re");
	if (file == NULL)
		fail("open", list);
	while (fgets(path, sizeof path, file) != NULL) {
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			fail("load", path);
		close(fd);
	}
	fclose(file);
}

/* The driver creates the file a moment before the port can be opened, and no event tells when it can. */
static int open_port(int devices, const char *name)
{
	int fd;
	while ((fd = openat(devices, name, O_RDWR | O_CLOEXEC)) < 0 && errno == ENXIO)
		poll(NULL, 0, 1);
	if (fd < 0)
		fail("open", name);
	return fd;
}

static int open_first_port(void)
{
	DIR *devices = opendir("/dev");
	struct dirent *entry;
	int fd = -1;
	if (devices == NULL)
		fail("open", "/dev");
	while (fd < 0 && (entry = readdir(devices)) != NULL)
		if (strncmp(entry->d_name, "vport", 5) == 0)
			fd = open_port(dirfd(devices), entry->d_name);
	closedir(devices);
	return fd;
}

/* The host announces its ports after the driver is loaded: start watching first, then look. */
static int wait_for_port(void)
{
	char events[4096];
	int watch = inotify_init1(IN_CLOEXEC);
	if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0)
		fail("watch", "/dev");
	for (;;) {
		int fd = open_first_port();
		if (fd >= 0)
			return fd;
		if (read(watch, events, sizeof events) < 0)
			fail("read", "events of /dev");
	}
}

/* After a restore, the host sends bytes that are answered one by one. */
static _Noreturn void answer(int fd)
{
	char byte;
	struct pollfd port = { .fd = fd, .events = POLLIN };
	for (;;)
		if (poll(&port, 1, -1) == 1 && read(fd, &byte, 1) == 1 && write(fd, &byte, 1) != 1)
			fail("write", "an answer");
}

int main(void)
{
	const char *where = getenv("FLOOR");
	int fd = 1;
	if (where == NULL || strcmp(where, "console") != 0) {
		if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "") < 0)
			fail("mount", "/dev");
		load_modules("/floor/modules");
		fd = wait_for_port();
	}
	if (write(fd, &marker, 1) != 1)
		fail("write", "the marker");
	if (fd != 1)
		answer(fd);
	for (;;)
		pause();
}
