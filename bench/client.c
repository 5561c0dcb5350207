/*
 * One client of the benchmark: does many operations of one kind in a directory and says how long they took.
 *
 *     client KIND DIRECTORY COUNT [SIZE [FIRST [STRIDE]]]
 *
 * Prepares itself, says "ready" and waits for a byte on standard input, so that several start together. Then it prints the times of start
 * and end, in nanoseconds of the monotonic clock, and the number of operations. SIZE is that of one read or write; FIRST and STRIDE
 * choose the files, named f0000000 and on. An operation that fails ends it with a message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT (1LL << 30)

extern char **environ;

static long count, size = 4096, first, stride = 1;
static int file = -1;
static char *buffer;
static uint32_t *order;

static void fail(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void check(int good, const char *what)
{
	if (!good)
		fail(what);
}

/* Valid until the next call with that letter; letters are 'a' to 'z'. */
static const char *name(char letter, long index)
{
	static char names[26][24];
	char *text = names[letter - 'a'];
	snprintf(text, sizeof names[0], "%c%07ld", letter, first + index * stride);
	return text;
}

static void nothing(void) {}

static void open_data(void)
{
	file = open("f", O_RDWR | O_CREAT, 0644);
	check(file >= 0, "open f");
}

/* Cached pages of a file that is clean go; those of tmpfs are the file. */
static void open_uncached(void)
{
	open_data();
	check(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
}

static void shuffle(void)
{
	uint64_t state = 88172645463325252ULL;
	order = malloc(count * sizeof *order);
	for (long i = 0; i < count; i++)
		order[i] = i;
	for (long i = count - 1; i > 0; i--) {
		state ^= state << 13, state ^= state >> 7, state ^= state << 17;
		long other = state % (i + 1);
		uint32_t kept = order[i];
		order[i] = order[other], order[other] = kept;
	}
}

static void open_random(void) { open_data(), shuffle(); }
static void open_random_uncached(void) { open_uncached(), shuffle(); }

static void open_root(void)
{
	file = open(".", O_RDONLY | O_DIRECTORY);
	check(file >= 0, "open .");
}

static void getattr_file(long index)
{
	struct statx found;
	(void)index;
	check(statx(file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found) == 0, "statx");
}

static void lookup_file(long index)
{
	(void)index;
	int found = open("f", O_PATH);
	check(found >= 0, "open f by path");
	close(found);
}

static void fill(long index) { check(mknod(name('f', index), S_IFREG | 0644, 0) == 0, "mknod"); }

static void create(long index)
{
	int made = open(name('f', index), O_WRONLY | O_CREAT | O_EXCL, 0644);
	check(made >= 0, "create");
	check(write(made, buffer, size) == size, "write");
	check(close(made) == 0, "close");
}

static void overwrite(long index)
{
	int found = open(name('f', index), O_WRONLY);
	check(found >= 0, "open");
	check(write(found, buffer, size) == size, "write");
	check(close(found) == 0, "close");
}

static void stat_name(long index)
{
	struct stat found;
	check(lstat(name('f', index), &found) == 0, "lstat");
}

static void stat_all(void)
{
	for (long index = 0; index < count; index++)
		stat_name(index);
}

static void stat_absent(long index)
{
	struct stat found;
	check(lstat(name('n', index), &found) < 0 && errno == ENOENT, "lstat of an absent name");
}

static void open_read(long index)
{
	int found = open(name('f', index), O_RDONLY);
	check(found >= 0, "open");
	check(read(found, buffer, size) >= 0, "read");
	check(close(found) == 0, "close");
}

static void rename_there_and_back(long index)
{
	check(rename(name('f', index), name('g', index)) == 0, "rename");
	check(rename(name('g', index), name('f', index)) == 0, "rename back");
}

static void unlink_name(long index) { check(unlink(name('f', index)) == 0, "unlink"); }

static void unlink_data(long index)
{
	(void)index;
	check(unlink("f") == 0, "unlink f");
}

static void list(long index)
{
	char *arguments[] = { "ls", "-l", NULL };
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status;

	(void)index;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	check(posix_spawnp(&child, "ls", &actions, NULL, arguments, environ) == 0, "ls");
	check(waitpid(child, &status, 0) == child && status == 0, "ls -l");
}

static void read_at(off_t offset) { check(pread(file, buffer, size, offset) == size, "read"); }
static void write_at(off_t offset) { check(pwrite(file, buffer, size, offset) == size, "write"); }
static void read_next(long index) { read_at(index * size % LIMIT); }
static void write_next(long index) { write_at(index * size % LIMIT); }
static void read_random(long index) { read_at((off_t)order[index] * size); }
static void write_random(long index) { write_at((off_t)order[index] * size); }

static const struct {
	const char *kind;
	void (*prepare)(void);
	void (*perform)(long index);
	int operations; /* of each performance */
} kinds[] = {
	{ "getattr", open_data, getattr_file, 1 },
	{ "getattr-root", open_root, getattr_file, 1 },
	{ "lookup", nothing, lookup_file, 1 },
	{ "fill", nothing, fill, 1 },
	{ "create", nothing, create, 1 },
	{ "overwrite", nothing, overwrite, 1 },
	{ "stat", nothing, stat_name, 1 },
	{ "stat-again", stat_all, stat_name, 1 },
	{ "absent", nothing, stat_absent, 1 },
	{ "open-read", nothing, open_read, 1 },
	{ "list", nothing, list, 1 },
	{ "rename", nothing, rename_there_and_back, 2 },
	{ "unlink", nothing, unlink_name, 1 },
	{ "unlink-data", nothing, unlink_data, 1 },
	{ "read", open_uncached, read_next, 1 },
	{ "read-again", open_data, read_next, 1 },
	{ "write", open_data, write_next, 1 },
	{ "random-read", open_random_uncached, read_random, 1 },
	{ "random-write", open_random, write_random, 1 },
};

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc > 7) {
		fprintf(stderr, "usage: client KIND DIRECTORY COUNT [SIZE [FIRST [STRIDE]]]\n");
		return 2;
	}
	count = atol(argv[3]);
	if (argc > 4)
		size = atol(argv[4]);
	if (argc > 5)
		first = atol(argv[5]);
	if (argc > 6)
		stride = atol(argv[6]);
	buffer = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
	memset(buffer, 'x', size);
	check(chdir(argv[2]) == 0, argv[2]);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(argv[1], kinds[i].kind) != 0)
			continue;
		kinds[i].prepare();
		puts("ready");
		fflush(stdout);
		if (getchar() == EOF)
			return 1;
		long long start = now();
		for (long index = 0; index < count; index++)
			kinds[i].perform(index);
		long long end = now();
		printf("%lld %lld %ld\n", start, end, count * kinds[i].operations);
		return 0;
	}
	fprintf(stderr, "client: no kind %s\n", argv[1]);
	return 2;
}
