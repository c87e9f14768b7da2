/*
 * A program with many pages of code, each of which returns the same number, which its data also contains: it fails if
 * some code is not what is in its file. Replacing the number throughout the file gives another program at the same
 * addresses.
 */
#include <stdio.h>

#define NUMBER 0x11223344

#define ONE(n) __attribute__((noipa, aligned(4096))) static int page##n(void) { return NUMBER; }
#define NAME(n) page##n,
#define FOUR(each, n) each(n##0) each(n##1) each(n##2) each(n##3)
#define SIXTEEN(each, n) FOUR(each, n##0) FOUR(each, n##1) FOUR(each, n##2) FOUR(each, n##3)
#define MANY(each, n) SIXTEEN(each, n##0) SIXTEEN(each, n##1) SIXTEEN(each, n##2) SIXTEEN(each, n##3)
#define ALL(each) MANY(each, 0) MANY(each, 1) MANY(each, 2) MANY(each, 3)

ALL(ONE)

static int (*const pages[])(void) = {ALL(NAME)};
static const volatile int number = NUMBER;

int main(void) {
  int wrong = 0;
  for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
    if (pages[i]() != number) wrong++;
  if (wrong > 0) printf("%d pages of code are of another program\n", wrong);
  return wrong > 0;
}
