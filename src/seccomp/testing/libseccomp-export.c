/*
 * Compiles profiles with libseccomp, for tests. Reads commands from standard input, one per line:
 *
 *   new DEFAULT-ACTION | arch NAME | rule ACTION SYSCALL [INDEX OPERATOR VALUE VALUE-TWO]... | export
 *   number ARCH SYSCALL
 *
 * Numbers are decimal, operators those of enum scmp_compare. `export` answers with a program, `number` with four bytes.
 * Every answer is preceded by its length, in four bytes of native byte order.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static scmp_filter_ctx filter;

static void check(int result, const char *what) {
  if (result >= 0)
    return;
  fprintf(stderr, "%s: %s\n", what, strerror(-result));
  exit(1);
}

static uint64_t next_number(void) {
  const char *word = strtok(NULL, " \n");
  return word == NULL ? 0 : strtoull(word, NULL, 10);
}

static void add_rule(void) {
  uint32_t action = (uint32_t)next_number();
  const char *name = strtok(NULL, " \n");
  int call = seccomp_syscall_resolve_name(name);
  struct scmp_arg_cmp conditions[6];
  unsigned count = 0;
  const char *word;
  while ((word = strtok(NULL, " \n")) != NULL && count < 6) {
    struct scmp_arg_cmp *condition = &conditions[count++];
    condition->arg = (unsigned)strtoul(word, NULL, 10);
    condition->op = (enum scmp_compare)next_number();
    condition->datum_a = next_number();
    condition->datum_b = next_number();
  }
  if (call != __NR_SCMP_ERROR)
    check(seccomp_rule_add_array(filter, action, call, count, conditions), name);
}

static void answer(const void *bytes, uint32_t length) {
  fwrite(&length, sizeof length, 1, stdout);
  fwrite(bytes, 1, length, stdout);
}

static void answer_number(void) {
  uint32_t arch = seccomp_arch_resolve_name(strtok(NULL, " \n"));
  int number = seccomp_syscall_resolve_name_arch(arch, strtok(NULL, " \n"));
  answer(&number, sizeof number);
}

static void export_program(void) {
  int memory = memfd_create("program", 0);
  check(seccomp_export_bpf(filter, memory), "export");
  uint32_t length = (uint32_t)lseek(memory, 0, SEEK_END);
  char *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, memory, 0);
  answer(bytes, length);
  munmap(bytes, length);
  close(memory);
}

int main(void) {
  static char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    const char *command = strtok(line, " \n");
    if (command == NULL)
      continue;
    if (strcmp(command, "new") == 0) {
      seccomp_release(filter);
      filter = seccomp_init((uint32_t)next_number());
    } else if (strcmp(command, "arch") == 0) {
      int added = seccomp_arch_add(filter, seccomp_arch_resolve_name(strtok(NULL, " \n")));
      check(added == -17 ? 0 : added, "arch");
    } else if (strcmp(command, "rule") == 0) {
      add_rule();
    } else if (strcmp(command, "export") == 0) {
      export_program();
    } else if (strcmp(command, "number") == 0) {
      answer_number();
    }
  }
  return 0;
}
