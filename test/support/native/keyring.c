/* Prints the serial number of its session keyring. */
#define _GNU_SOURCE
#include <linux/keyctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
  long number = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
  if (number < 0)
    return perror("keyctl"), 1;
  printf("%ld\n", number);
  return 0;
}
