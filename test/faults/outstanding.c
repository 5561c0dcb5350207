/*
 * outstanding FILE N: N threads read FILE at once, each 8 bytes at an offset of its own, which must come back as a big-endian
 * double. Prints how many were right. The file system holds all answers back until it has all requests.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK = 64 * 1024, APART = 4096 };

static int fd;
static int right;

static void *reader(void *number) {
  off_t offset = (off_t)(intptr_t)number * APART;
  uint64_t bits;
  if (pread(fd, &bits, sizeof bits, offset) != sizeof bits) return NULL;
  bits = __builtin_bswap64(bits);
  double answered;
  memcpy(&answered, &bits, sizeof answered);
  if (answered == (double)offset) __atomic_add_fetch(&right, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3 || (fd = open(argv[1], O_RDONLY)) < 0) return 2;
  int count = atoi(argv[2]);
  pthread_t *threads = calloc(count, sizeof *threads);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, STACK);
  for (int i = 0; i < count; i++)
    if (pthread_create(&threads[i], &small, reader, (void *)(intptr_t)i) != 0) return 3;
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  printf("%d\n", right);
  return 0;
}
