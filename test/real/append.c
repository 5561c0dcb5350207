/*
 * append FILE: eight processes append 400 records each, with O_APPEND and nothing else between them. A record is one
 * write(2) of 16 to 9000 bytes: its length in five digits, the writer's digit, its number in four, then the writer's digit
 * again and again. Then FILE is read: every record must be there, whole, those of one writer in their order.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 8, RECORDS = 400, LARGEST = 9000, HEADER = 10 };

static void append(const char *path, int writer) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (fd < 0) _exit(2);
  static char record[LARGEST + 1];
  srand(writer + 1);
  for (int i = 0; i < RECORDS; i++) {
    int length = 16 + rand() % (LARGEST - 16);
    memset(record, '0' + writer, length);
    snprintf(record, HEADER + 1, "%05d%d%04d", length, writer, i);
    record[HEADER] = '0' + writer;
    if (write(fd, record, length) != length) _exit(3);
  }
  _exit(0);
}

static int whole(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  static char record[LARGEST + 1];
  int next[WRITERS] = {0}, total = 0;
  while (fread(record, 1, HEADER, file) == HEADER) {
    int length, writer, number;
    if (sscanf(record, "%5d%1d%4d", &length, &writer, &number) != 3) return 0;
    if (length < 16 || length > LARGEST || writer >= WRITERS || number != next[writer]++) return 0;
    size_t rest = length - HEADER;
    if (fread(record, 1, rest, file) != rest) return 0;
    for (size_t i = 0; i < rest; i++)
      if (record[i] != '0' + writer) return 0;
    total++;
  }
  return feof(file) && total == WRITERS * RECORDS;
}

int main(int argc, char **argv) {
  if (argc != 2) return 64;
  for (int writer = 0; writer < WRITERS; writer++)
    if (fork() == 0) append(argv[1], writer);
  int failed = 0, status;
  while (wait(&status) > 0) failed |= status;
  if (failed) return puts("a writer failed"), 1;
  if (!whole(argv[1])) return puts("torn, lost or out of order"), 1;
  return puts("whole"), 0;
}
