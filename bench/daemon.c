/*
 * Plays the kernel to a FUSE daemon over a socket, and nothing else: what the socket and the daemon cost by themselves.
 *
 *     daemon getattr|read COUNT SIZE WINDOW PROGRAM [ARGUMENT]...
 *
 * Starts the program, which speaks FUSE on descriptor 3, and asks it for the attributes of the file f in its root, or for SIZE bytes of
 * it, COUNT times, with WINDOW requests outstanding. Says "ready", waits for a byte on standard input, and prints the times of start
 * and end, in nanoseconds of the monotonic clock, and COUNT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 2 << 20, MINOR = 13, FILE_SIZE = 1 << 30 };

static int line;
static char buffer[ROOM];
static uint64_t unique;

static void fail(const char *what)
{
	fprintf(stderr, "daemon: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void check(int good, const char *what)
{
	if (!good)
		fail(what);
}

static void request(uint32_t opcode, uint64_t node, const void *body, size_t length)
{
	struct {
		struct fuse_in_header header;
		char body[128];
	} message = { .header = { sizeof message.header + length, opcode, ++unique, node, 0, 0, 0, 0 } };
	memcpy(message.body, body, length);
	check(write(line, &message, message.header.len) == (ssize_t)message.header.len, "write");
}

/* The next reply's body, which must be as long as that. */
static const void *reply(size_t length)
{
	ssize_t got = read(line, buffer, ROOM);
	const struct fuse_out_header *header = (void *)buffer;
	check(got >= (ssize_t)sizeof *header, "read");
	if (header->error != 0 || got - sizeof *header < length) {
		fprintf(stderr, "daemon: %zd bytes, error %d\n", got, header->error);
		exit(1);
	}
	return header + 1;
}

static void start(char **command, int far)
{
	pid_t pid = fork();
	check(pid >= 0, "fork");
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(dup2(far, 3) == 3, "dup2");
	execvp(command[0], command);
	fail(command[0]);
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: daemon getattr|read COUNT SIZE WINDOW PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	int reads = strcmp(argv[1], "read") == 0;
	long count = atol(argv[2]), window = atol(argv[4]);
	uint32_t size = atol(argv[3]);
	int pair[2], room = ROOM;
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	for (int end = 0; end < 2; end++)
		check(setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0, "setsockopt");
	line = pair[0];
	start(argv + 5, pair[1]);
	close(pair[1]);

	struct fuse_init_in init = { FUSE_KERNEL_VERSION, MINOR, 128 << 10, FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES };
	request(FUSE_INIT, 0, &init, 16);
	reply(24);
	request(FUSE_LOOKUP, FUSE_ROOT_ID, "f", 2);
	uint64_t node = ((const struct fuse_entry_out *)reply(sizeof(struct fuse_entry_out)))->nodeid;
	struct fuse_open_in open = { 0 };
	request(FUSE_OPEN, node, &open, sizeof open);
	uint64_t handle = ((const struct fuse_open_out *)reply(sizeof(struct fuse_open_out)))->fh;

	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	struct fuse_getattr_in getattr = { 0 };
	struct fuse_read_in read = { .fh = handle, .size = size };
	long sent = 0, answered = 0;
	long long begun = now();
	while (answered < count) {
		for (; sent < count && sent - answered < window; sent++) {
			read.offset = (uint64_t)sent * size % FILE_SIZE;
			if (reads)
				request(FUSE_READ, node, &read, sizeof read);
			else
				request(FUSE_GETATTR, node, &getattr, sizeof getattr);
		}
		reply(reads ? size : sizeof(struct fuse_attr_out));
		answered++;
	}
	printf("%lld %lld %ld\n", begun, now(), count);
	return 0;
}
