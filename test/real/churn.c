/*
 * churn: in the working directory 64 processes create, rename and remove names, each its own ones and all of them a few
 * common ones, while a 65th lists the directory again and again: a name that is there all the time is in every listing
 * exactly once. At the end exactly the names are there that must be.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 64, ROUNDS = 30, PERMANENT = 200, COMMON = 5 };

static void fail(const char *what) {
  perror(what);
  _exit(1);
}

static void create(const char *name) {
  int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (fd < 0 || write(fd, name, strlen(name)) < 0 || close(fd) < 0) fail(name);
}

static void work(int worker) {
  char a[64], b[64], common[64];
  for (int round = 0; round < ROUNDS; round++) {
    snprintf(a, sizeof a, "new-%d-%d", worker, round);
    snprintf(b, sizeof b, "renamed-%d-%d", worker, round);
    snprintf(common, sizeof common, "common-%d", (worker + round) % COMMON);
    create(a);
    if (rename(a, b) < 0) fail("rename");
    if (access(a, F_OK) == 0 || errno != ENOENT) fail("the old name");
    char content[64] = "";
    int fd = open(b, O_RDONLY);
    if (fd < 0 || read(fd, content, sizeof content) < 0 || close(fd) < 0) fail(b);
    if (strcmp(content, a) != 0) fail("somebody else's content");
    /* All of them fight for a few names: whoever loses gets ENOENT and nothing else. */
    if (link(b, common) < 0 && errno != EEXIST) fail("link");
    if (round % 3 == 0) {
      /* Nothing is done, and both names stay, if they are those of one file. */
      if (rename(b, common) < 0) fail("rename onto a common name");
      if (unlink(b) < 0 && errno != ENOENT) fail("unlink");
    }
    if (round % 3 == 1 && unlink(common) < 0 && errno != ENOENT) fail("unlink");
    if (round % 3 == 2 && unlink(b) < 0) fail("unlink");
  }
  _exit(0);
}

/* The listing, checked: every permanent name once. Counts the names that begin with `prefix`. */
static int list(const char *prefix) {
  int seen[PERMANENT] = {0}, count = 0, number;
  DIR *directory = opendir(".");
  if (!directory) fail("opendir");
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (sscanf(entry->d_name, "permanent-%d", &number) == 1) seen[number]++;
    if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) count++;
  }
  closedir(directory);
  for (int i = 0; i < PERMANENT; i++)
    if (seen[i] != 1) fprintf(stderr, "permanent-%d is there %d times\n", i, seen[i]), _exit(1);
  return count;
}

int main(void) {
  char name[64];
  for (int i = 0; i < PERMANENT; i++) snprintf(name, sizeof name, "permanent-%d", i), create(name);
  pid_t lister = fork();
  if (lister == 0)
    for (;;) list("");
  for (int worker = 0; worker < WORKERS; worker++)
    if (fork() == 0) work(worker);
  int failed = 0, status;
  for (int ended = 0; ended < WORKERS; ended++) {
    pid_t pid = wait(&status);
    failed |= status;
    if (pid == lister) return fputs("the lister ended\n", stderr), 1;
  }
  kill(lister, SIGTERM);
  if (waitpid(lister, &status, 0) != lister || !WIFSIGNALED(status)) failed = 1;
  if (failed) return 1;
  printf("%d new, %d renamed, common: %s\n", list("new-"), list("renamed-"),
         list("common-") <= COMMON ? "some" : "too many");
  return 0;
}
