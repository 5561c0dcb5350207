/* Shared memory maps of a file beside read(2) and write(2) of the same file, in two processes. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, SIZE = PAGE * PAGES };

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      perror(#condition);                                                                          \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

static char *map(int fd) {
  char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

int main(void) {
  int fd = open("shared", O_RDWR | O_CREAT | O_EXCL, 0600);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, SIZE) == 0);
  char *memory = map(fd);

  /* What is stored is what read(2) gives, after msync(2) and before. */
  char page[PAGE], read_back[PAGE];
  for (int i = 0; i < PAGES; i++) {
    memset(page, 'a' + i % 26, PAGE);
    memcpy(memory + i * PAGE, page, PAGE);
    if (i % 2) CHECK(msync(memory + i * PAGE, PAGE, MS_SYNC) == 0);
    CHECK(pread(fd, read_back, PAGE, i * PAGE) == PAGE);
    CHECK(memcmp(page, read_back, PAGE) == 0);
  }

  /* What write(2) writes is what a load gives. */
  CHECK(pwrite(fd, "written", 7, 3 * PAGE - 3) == 7);
  CHECK(memcmp(memory + 3 * PAGE - 3, "written", 7) == 0);

  /* Another process, with a map of its own and an open file of its own. */
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    int other = open("shared", O_RDWR);
    CHECK(other >= 0);
    char *theirs = map(other);
    CHECK(memcmp(theirs + 3 * PAGE - 3, "written", 7) == 0);
    memcpy(theirs + 5 * PAGE, "from the child", 14);
    CHECK(pwrite(other, "also", 4, 6 * PAGE) == 4);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(memcmp(memory + 5 * PAGE, "from the child", 14) == 0);
  CHECK(memcmp(memory + 6 * PAGE, "also", 4) == 0);

  /* Truncation cuts off the map too, and what grows again is zeros. */
  CHECK(ftruncate(fd, PAGE + 10) == 0);
  CHECK(ftruncate(fd, SIZE) == 0);
  CHECK(memory[PAGE + 9] == 'b' && memory[PAGE + 10] == 0 && memory[SIZE - 1] == 0);

  /* A store changes the file's time by the time of msync(2). */
  struct timespec old[2] = {{1, 0}, {1, 0}};
  struct stat stat;
  CHECK(munmap(memory, SIZE) == 0 && futimens(fd, old) == 0);
  memory = map(fd);
  memory[0] = 'T';
  CHECK(msync(memory, SIZE, MS_SYNC) == 0);
  CHECK(fstat(fd, &stat) == 0 && stat.st_mtim.tv_sec > 1);

  /* The map outlives the name and the descriptor; a private map does not touch the file. */
  char *own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  CHECK(own != MAP_FAILED);
  own[0] = 'P';
  CHECK(memory[0] == 'T');
  CHECK(unlink("shared") == 0 && close(fd) == 0);
  memory[1] = 'U';
  CHECK(msync(memory, SIZE, MS_SYNC) == 0 && memory[0] == 'T' && memory[1] == 'U');

  puts("mapped");
  return 0;
}
