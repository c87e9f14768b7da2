/*
 * Reads and writes like ordinary programs, and prints how long it took:
 *
 *   io DIRECTORY     measures below DIRECTORY, which `io DIRECTORY prepare` has prepared; one line for each: NAME MS
 *
 * As process 1 of a VM it loads /io/modules, mounts the ext4 of the first disk and measures that: no file system of a
 * container in such a VM can be faster.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BIG = 64 << 20, BLOCK = 1 << 20, FILES = 500, SMALL = 4096, CREATED = 200 };
static char block[BLOCK];

static _Noreturn void fail(const char *what, const char *subject)
{
	printf("failed: %s %s: %s\n", what, subject, strerror(errno));
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void write_file(const char *path, size_t size, size_t step, int sync)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		fail("create", path);
	for (size_t done = 0; done < size; done += step)
		if (write(fd, block, step) != (ssize_t)step)
			fail("write", path);
	if (sync && fsync(fd) < 0)
		fail("fsync", path);
	close(fd);
}

static void read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		fail("open", path);
	ssize_t length;
	while ((length = read(fd, block, BLOCK)) > 0)
		;
	if (length < 0)
		fail("read", path);
	close(fd);
}

static void small_name(char *name, const char *directory, int index)
{
	sprintf(name, "%s/%d", directory, index);
}

static void prepare(void)
{
	char name[64];
	if (mkdir("small", 0755) < 0)
		fail("make", "small");
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = (char)(i * 2654435761u >> 24);
	write_file("big", BIG, BLOCK, 0);
	for (int i = 0; i < FILES; i++) {
		small_name(name, "small", i);
		write_file(name, SMALL, SMALL, 0);
	}
}

static void measure(void)
{
	char name[64];
	double start = now();
	read_file("big");
	printf("read 64 MiB: %.1f\n", now() - start);
	start = now();
	for (int i = 0; i < FILES; i++) {
		small_name(name, "small", i);
		read_file(name);
	}
	printf("read 500 files: %.1f\n", now() - start);
	start = now();
	write_file("written", BIG, BLOCK, 1);
	printf("write 64 MiB and flush: %.1f\n", now() - start);
	if (mkdir("made", 0755) < 0)
		fail("make", "made");
	start = now();
	for (int i = 0; i < CREATED; i++) {
		small_name(name, "made", i);
		write_file(name, SMALL, SMALL, 0);
	}
	printf("create 200 files: %.1f\n", now() - start);
	fflush(stdout);
}

static void measure_machine(void)
{
	char path[256];
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, "") < 0 && errno != EBUSY)
		fail("mount", "/dev");
	FILE *list = fopen("/io/modules", "re");
	while (list != NULL && fgets(path, sizeof path, list) != NULL) {
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			fail("load", path);
		close(fd);
	}
	mkdir("/disk", 0755);
	if (mount("/dev/vda", "/disk", "ext4", 0, "") < 0)
		fail("mount", "/dev/vda");
	if (chdir("/disk") < 0)
		fail("enter", "/disk");
	measure();
	sync();
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	if (getpid() == 1 && argc < 2)
		measure_machine();
	if (argc < 2 || chdir(argv[1]) < 0)
		fail("enter", argc < 2 ? "nothing" : argv[1]);
	if (argc > 2 && strcmp(argv[2], "prepare") == 0)
		prepare();
	else
		measure();
	return 0;
}
