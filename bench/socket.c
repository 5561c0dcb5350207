/*
 * One end of a stream of puffs frames: asks the same again and again, or answers.
 *
 *     socket ask DESCRIPTOR COUNT FRAME REPLY
 *     socket answer DESCRIPTOR REPLY
 *
 * To ask is to send the frame in the file FRAME COUNT times, each with a number of its own, and to await the reply, which must have
 * REPLY bytes and no error, before the next. It says "ready", waits for a byte on standard input, and prints the times of start and
 * end, in nanoseconds of the monotonic clock, and COUNT. To answer is to send REPLY bytes for each frame, until the stream ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where a frame has its length (u64), its number (u64), an error (i32): struct puffs_req. */
enum { LENGTH = 0, ID = 8, RV = 28, HEADER = 56, ROOM = 1 << 18 };

static int stream;
static unsigned char frame[ROOM], reply[ROOM];

static void fail(const char *what)
{
	fprintf(stderr, "socket: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void check(int good, const char *what)
{
	if (!good)
		fail(what);
}

static void put(const unsigned char *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t count = write(stream, bytes + done, length - done);
		check(count > 0, "write");
		done += count;
	}
}

/* A whole frame, and its length; 0 at the end of the stream. Nothing is read beyond it: nobody asks or answers twice. */
static uint64_t get(unsigned char *into)
{
	size_t done = 0;
	uint64_t length = HEADER;
	while (done < length) {
		ssize_t count = read(stream, into + done, ROOM - done);
		if (count == 0 && done == 0)
			return 0;
		check(count > 0, "read");
		done += count;
		if (done >= HEADER)
			memcpy(&length, into + LENGTH, sizeof length);
		check(length <= ROOM, "a frame's length");
	}
	return length;
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int ask(long count, const char *path, uint64_t wanted)
{
	FILE *file = fopen(path, "rb");
	check(file != NULL, path);
	size_t length = fread(frame, 1, ROOM, file);
	check(length >= HEADER, path);
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	long long start = now();
	for (uint64_t id = 1; id <= (uint64_t)count; id++) {
		uint64_t answered;
		int32_t error;
		memcpy(frame + ID, &id, sizeof id);
		put(frame, length);
		uint64_t got = get(reply);
		memcpy(&answered, reply + ID, sizeof answered);
		memcpy(&error, reply + RV, sizeof error);
		if (got != wanted || answered != id || error != 0) {
			fprintf(stderr, "socket: %ju bytes to %ju, error %d\n", (uintmax_t)got, (uintmax_t)answered, error);
			return 1;
		}
	}
	printf("%lld %lld %ld\n", start, now(), count);
	return 0;
}

static int answer(uint64_t length)
{
	while (get(frame) > 0) {
		memcpy(reply, frame, HEADER);
		memcpy(reply + LENGTH, &length, sizeof length);
		put(reply, length);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int asks = argc == 6 && strcmp(argv[1], "ask") == 0;
	if (!asks && !(argc == 4 && strcmp(argv[1], "answer") == 0)) {
		fprintf(stderr, "usage: socket ask DESCRIPTOR COUNT FRAME REPLY | socket answer DESCRIPTOR REPLY\n");
		return 2;
	}
	stream = atoi(argv[2]);
	check(fcntl(stream, F_SETFL, 0) == 0, "fcntl");
	return asks ? ask(atol(argv[3]), argv[4], strtoull(argv[5], NULL, 10)) : answer(strtoull(argv[3], NULL, 10));
}
