/*
 * Tests what a file system can do: each check prints its name and "yes", or "no" and why.
 *
 *   files DIRECTORY [COUNT]
 *
 * DIRECTORY is writable and contains only `lower`, a directory with a file `kept` (text "kept\n"), a file `linked` with
 * two names (`linked` and `other`) and a directory `deep` with a file `leaf`. COUNT is how many files `many` creates.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int count = 1000;
static const char *self;
static char why[256];

/* A check returns 0, or stores what failed in `why`. */
static int no(const char *what) {
  int error = errno;
  snprintf(why, sizeof why, "%s: %s", what, strerror(error));
  return -1;
}

static int wrong(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(why, sizeof why, format, list);
  va_end(list);
  return -1;
}

static int put(const char *path, const char *text, int flags) {
  int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
  if (fd < 0) return no("open");
  ssize_t length = (ssize_t)strlen(text);
  if (write(fd, text, (size_t)length) != length) return close(fd), no("write");
  return close(fd) < 0 ? no("close") : 0;
}

static int expect(const char *path, const char *text) {
  char buffer[256];
  int fd = open(path, O_RDONLY);
  if (fd < 0) return no("open");
  ssize_t length = read(fd, buffer, sizeof buffer - 1);
  close(fd);
  if (length < 0) return no("read");
  buffer[length] = 0;
  return strcmp(buffer, text) == 0 ? 0 : wrong("reads %.*s", (int)strcspn(buffer, "\n"), buffer);
}

/* Runs in a child, whose exit status is an errno or 0. */
static int in_child(int (*run)(void)) {
  pid_t pid = fork();
  if (pid < 0) return no("fork");
  if (pid == 0) _exit(run());
  int status;
  if (waitpid(pid, &status, 0) < 0) return no("wait");
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return errno == 0 ? 0 : -1;
}

static int check_fifo(void) {
  if (mkfifo("fifo", 0640) < 0) return no("mkfifo");
  int fd = open("fifo", O_RDWR);
  if (fd < 0) return no("open");
  char byte = 'x';
  int ok = write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
  close(fd);
  return ok ? 0 : no("use");
}

static int check_socket(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) < 0) return no("bind");
  if (listen(server, 1) < 0) return no("listen");
  if (connect(client, (struct sockaddr *)&address, sizeof address) < 0) return no("connect");
  close(client);
  close(server);
  return 0;
}

static int check_character_device(void) {
  if (mknod("null", S_IFCHR | 0666, makedev(1, 3)) < 0) return no("mknod");
  return put("null", "gone", 0);
}

static int check_block_device(void) {
  struct stat status;
  if (mknod("block", S_IFBLK | 0600, makedev(7, 200)) < 0) return no("mknod");
  if (stat("block", &status) < 0) return no("stat");
  return status.st_rdev == makedev(7, 200) ? 0 : wrong("has number %lx", (long)status.st_rdev);
}

static int check_symbolic_link(void) {
  char target[64];
  if (symlink("nowhere/at all", "soft") < 0) return no("symlink");
  ssize_t length = readlink("soft", target, sizeof target);
  return length == 14 ? 0 : no("readlink");
}

static int check_hard_link(void) {
  struct stat first, second;
  if (put("hard", "one", 0) < 0) return -1;
  if (link("hard", "link") < 0) return no("link");
  if (put("link", "two", O_TRUNC) < 0 || expect("hard", "two") < 0) return -1;
  if (stat("hard", &first) < 0 || stat("link", &second) < 0) return no("stat");
  if (first.st_nlink != 2) return wrong("%ld links", (long)first.st_nlink);
  return first.st_ino == second.st_ino ? 0 : wrong("two inodes");
}

static int check_owner_and_mode(void) {
  struct stat status;
  if (put("owned", "", 0) < 0) return -1;
  if (chown("owned", 1000, 33) < 0) return no("chown");
  if (chmod("owned", 06751) < 0) return no("chmod");
  if (stat("owned", &status) < 0) return no("stat");
  if (status.st_uid != 1000 || status.st_gid != 33) return wrong("owner %d:%d", status.st_uid, status.st_gid);
  return (status.st_mode & 07777) == 06751 ? 0 : wrong("mode %o", status.st_mode & 07777);
}

static int run_suid(void) {
  execl("suid", "suid", "--euid", NULL);
  return errno;
}

/* Runs a copy of this program that belongs to somebody else and has set-user-ID. */
static int check_setuid_program(void) {
  char buffer[65536];
  int from = open(self, O_RDONLY), to = open("suid", O_WRONLY | O_CREAT, 0755);
  if (from < 0 || to < 0) return no("open");
  for (ssize_t length; (length = read(from, buffer, sizeof buffer)) > 0;)
    if (write(to, buffer, (size_t)length) != length) return no("write");
  close(from);
  close(to);
  if (chown("suid", 1001, 1001) < 0 || chmod("suid", 04755) < 0) return no("chmod");
  pid_t pid = fork();
  if (pid == 0) _exit(run_suid());
  int status;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status)) return wrong("was killed");
  /* The copy exits with 100 plus the effective user, modulo 100. */
  return WEXITSTATUS(status) == 101 ? 0 : wrong("status %d", WEXITSTATUS(status));
}

static int attribute(const char *name, const void *value, size_t size) {
  char buffer[256];
  if (put("attributed", "", 0) < 0) return -1;
  if (setxattr("attributed", name, value, size, 0) < 0) return no("setxattr");
  ssize_t length = getxattr("attributed", name, buffer, sizeof buffer);
  if (length < 0) return no("getxattr");
  return (size_t)length == size && memcmp(buffer, value, size) == 0 ? 0 : wrong("another value");
}

static int check_user_attribute(void) { return attribute("user.test", "value", 5); }
static int check_file_capability(void) {
  /* struct vfs_cap_data, version 2: CAP_NET_BIND_SERVICE, effective. */
  static const unsigned char data[20] = {1, 0, 0, 2, 0, 4};
  return attribute("security.capability", data, sizeof data);
}

static int check_access_list(void) {
  /* Version 2; owner rw, user 1000 r, group r, mask r, others nothing. */
  static const unsigned char data[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0,
                                       4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255,
                                       32, 0, 0, 0, 255, 255, 255, 255};
  return attribute("system.posix_acl_access", data, sizeof data);
}

static int check_sparse_file(void) {
  struct stat status;
  int fd = open("sparse", O_RDWR | O_CREAT, 0644);
  if (fd < 0) return no("open");
  if (pwrite(fd, "x", 1, 3L << 30) != 1) return no("pwrite");
  if (fsync(fd) < 0 || fstat(fd, &status) < 0) return no("fsync");
  close(fd);
  return status.st_blocks * 512L < 1 << 20 ? 0 : wrong("takes %ld bytes", status.st_blocks * 512L);
}

static int check_punched_hole(void) {
  char buffer[8192] = {1}, byte = 1;
  int fd = open("punched", O_RDWR | O_CREAT, 0644);
  memset(buffer, 'x', sizeof buffer);
  if (fd < 0 || write(fd, buffer, sizeof buffer) != sizeof buffer) return no("write");
  if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0) return no("fallocate");
  if (pread(fd, &byte, 1, 100) != 1) return no("pread");
  close(fd);
  return byte == 0 ? 0 : wrong("reads %d", byte);
}

static int check_rename(void) {
  if (put("from", "new", 0) < 0 || put("to", "old", 0) < 0) return -1;
  if (rename("from", "to") < 0) return no("rename");
  if (expect("to", "new") < 0) return -1;
  if (put("from", "again", 0) < 0) return -1;
  if (renameat2(AT_FDCWD, "from", AT_FDCWD, "to", RENAME_NOREPLACE) == 0 || errno != EEXIST) return no("no replace");
  if (renameat2(AT_FDCWD, "from", AT_FDCWD, "to", RENAME_EXCHANGE) < 0) return no("exchange");
  return expect("to", "again");
}

static int check_directory_rename(void) {
  if (mkdir("folder", 0755) < 0 || put("folder/file", "in it", 0) < 0) return no("mkdir");
  if (rename("folder", "moved") < 0) return no("rename");
  return expect("moved/file", "in it");
}

static int check_shared_mapping(void) {
  char buffer[16] = "";
  int fd = open("mapped", O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, 8192) < 0) return no("ftruncate");
  char *bytes = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return no("mmap");
  strcpy(bytes + 4090, "through");
  if (msync(bytes, 8192, MS_SYNC) < 0) return no("msync");
  if (pread(fd, buffer, 7, 4090) != 7 || strcmp(buffer, "through") != 0) return wrong("reads %.*s", (int)strcspn(buffer, "\n"), buffer);
  pwrite(fd, "back", 4, 100);
  if (memcmp(bytes + 100, "back", 4) != 0) return wrong("the mapping is another copy");
  munmap(bytes, 8192);
  close(fd);
  return 0;
}

static int try_flock(void) {
  int fd = open("locked", O_RDWR);
  return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

static int try_record_lock(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
  int fd = open("locked", O_RDWR);
  return fcntl(fd, F_SETLK, &lock) == 0 ? 0 : errno;
}

static int check_flock(void) {
  int fd = open("locked", O_RDWR | O_CREAT, 0644);
  if (fd < 0 || flock(fd, LOCK_EX) < 0) return no("flock");
  int taken = in_child(try_flock) == 0;
  close(fd);
  return taken ? wrong("two have it") : 0;
}

static int check_record_lock(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
  int fd = open("locked", O_RDWR | O_CREAT, 0644);
  if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0) return no("fcntl");
  int taken = in_child(try_record_lock) == 0;
  close(fd);
  return taken ? wrong("two have it") : 0;
}

static int check_fsync(void) {
  int directory = open(".", O_RDONLY | O_DIRECTORY);
  int fd = open("synced", O_RDWR | O_CREAT, 0644);
  if (fd < 0 || write(fd, "x", 1) != 1) return no("write");
  if (fsync(fd) < 0) return no("fsync");
  if (fdatasync(fd) < 0) return no("fdatasync");
  if (fsync(directory) < 0) return no("fsync of the directory");
  if (syncfs(fd) < 0) return no("syncfs");
  close(fd);
  close(directory);
  return 0;
}

static int check_unlinked_file(void) {
  char buffer[8] = "";
  struct stat status;
  int fd = open("unlinked", O_RDWR | O_CREAT, 0600);
  if (fd < 0 || unlink("unlinked") < 0) return no("unlink");
  if (write(fd, "still", 5) != 5 || pread(fd, buffer, 5, 0) != 5) return no("use");
  if (fstat(fd, &status) < 0) return no("fstat");
  if (fchmod(fd, 0640) < 0 || ftruncate(fd, 2) < 0) return no("change");
  close(fd);
  return strcmp(buffer, "still") == 0 ? 0 : wrong("reads %.*s", (int)strcspn(buffer, "\n"), buffer);
}

static int check_nameless_file(void) {
  char path[64];
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0) return no("open");
  if (write(fd, "named", 5) != 5) return no("write");
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (linkat(AT_FDCWD, path, AT_FDCWD, "nameless", AT_SYMLINK_FOLLOW) < 0) return no("linkat");
  close(fd);
  return expect("nameless", "named");
}

static int check_times(void) {
  struct stat status;
  struct timespec times[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
  if (put("timed", "", 0) < 0) return -1;
  if (utimensat(AT_FDCWD, "timed", times, 0) < 0) return no("utimensat");
  if (stat("timed", &status) < 0) return no("stat");
  int same = status.st_mtim.tv_sec == 1500000000 && status.st_mtim.tv_nsec == 987654321;
  return same ? 0 : wrong("%ld.%09ld", (long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

static int check_names(void) {
  char name[257];
  memset(name, 'n', sizeof name);
  name[255] = 0;
  if (put(name, "long", 0) < 0) return -1;
  name[255] = 'n';
  name[256] = 0;
  if (open(name, O_WRONLY | O_CREAT, 0644) >= 0 || errno != ENAMETOOLONG) return no("256 characters");
  if (put("\xff not text", "odd", 0) < 0) return -1;
  if (put("Case", "upper", 0) < 0 || put("case", "lower", 0) < 0) return -1;
  return expect("Case", "upper");
}

static int check_notification(void) {
  char buffer[512];
  int fd = inotify_init1(IN_NONBLOCK);
  if (fd < 0 || inotify_add_watch(fd, ".", IN_CREATE) < 0) return no("inotify");
  if (put("noticed", "", 0) < 0) return -1;
  ssize_t length = read(fd, buffer, sizeof buffer);
  close(fd);
  return length > 0 ? 0 : no("read");
}

/* Files that existed before: in the lower layer, if there are layers. */
static int check_change_of_old_file(void) {
  if (put("lower/kept", "changed", O_TRUNC) < 0) return -1;
  return expect("lower/kept", "changed");
}

static int check_old_hard_link(void) {
  struct stat status;
  if (stat("lower/linked", &status) < 0) return no("stat");
  if (status.st_nlink != 2) return wrong("%ld links", (long)status.st_nlink);
  if (put("lower/linked", "both", O_TRUNC) < 0) return -1;
  return expect("lower/other", "both");
}

static int check_rename_of_old_directory(void) {
  if (rename("lower/deep", "lower/moved") < 0) return no("rename");
  if (unlink("lower/moved/leaf") < 0) return no("unlink");
  if (rmdir("lower/moved") < 0) return no("rmdir");
  return access("lower/deep", F_OK) < 0 ? 0 : wrong("the old name is still there");
}

static int check_many(void) {
  char name[32];
  if (mkdir("many", 0755) < 0) return no("mkdir");
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "many/%d", i);
    if (put(name, name, 0) < 0) return -1;
  }
  DIR *directory = opendir("many");
  if (directory == NULL) return no("opendir");
  int seen = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) seen += entry->d_name[0] != '.';
  closedir(directory);
  if (seen != count) return wrong("%d of %d seen", seen, count);
  snprintf(name, sizeof name, "many/%d", count - 1);
  if (expect(name, name) < 0) return -1;
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "many/%d", i);
    if (unlink(name) < 0) return no("unlink");
  }
  return rmdir("many") < 0 ? no("rmdir") : 0;
}

static const struct {
  const char *name;
  int (*run)(void);
} checks[] = {
    {"fifo", check_fifo},
    {"socket", check_socket},
    {"character device", check_character_device},
    {"block device", check_block_device},
    {"symbolic link", check_symbolic_link},
    {"hard link", check_hard_link},
    {"owner and mode", check_owner_and_mode},
    {"setuid program", check_setuid_program},
    {"user attribute", check_user_attribute},
    {"file capability", check_file_capability},
    {"access list", check_access_list},
    {"sparse file", check_sparse_file},
    {"punched hole", check_punched_hole},
    {"rename", check_rename},
    {"directory rename", check_directory_rename},
    {"shared mapping", check_shared_mapping},
    {"flock", check_flock},
    {"record lock", check_record_lock},
    {"fsync", check_fsync},
    {"unlinked file", check_unlinked_file},
    {"nameless file", check_nameless_file},
    {"times", check_times},
    {"names", check_names},
    {"notification", check_notification},
    {"change of an old file", check_change_of_old_file},
    {"hard link of old files", check_old_hard_link},
    {"rename of an old directory", check_rename_of_old_directory},
    {"many files", check_many},
};

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--euid") == 0) return 100 + (int)geteuid() % 100;
  if (argc < 2) return 2;
  static char path[4096];
  self = realpath(argv[0], path);
  if (argc > 2) count = atoi(argv[2]);
  umask(022);
  if (chdir(argv[1]) < 0) return perror(argv[1]), 1;
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    if (checks[i].run() == 0) printf("%s: yes\n", checks[i].name);
    else printf("%s: no, %s\n", checks[i].name, why);
    fflush(stdout);
  }
  return 0;
}
