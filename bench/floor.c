/*
 * The least that a FUSE server can be: one thread that reads a request from /dev/fuse, answers it and reads the next. It serves one file,
 * f, of 1 GiB of zeros, which are written into each answer, and drops what is written to it. No library between: what any server
 * costs more than this, it adds itself.
 *
 *     floor [-o direct_io,attr_timeout=SECONDS,entry_timeout=SECONDS] DIRECTORY
 *
 * Stays in the foreground until it is unmounted. Needs root. The messages are those of <linux/fuse.h>; see fuse(4).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE (1ULL << 30)
#define MAX_WRITE (1U << 20)
#define ROOM (MAX_WRITE + 4096)
#define FILE_NODE 2

static struct {
	int direct_io;
	unsigned attr_timeout, entry_timeout;
} options = { .attr_timeout = 1, .entry_timeout = 1 };

static int device;
static char *request, *reply;

/* The answer's arguments go behind its header, so that one write brings both. */
static void *arguments_room(void) { return reply + sizeof(struct fuse_out_header); }

static void answer(uint64_t unique, int error, size_t length)
{
	struct fuse_out_header *header = (void *)reply;
	*header = (struct fuse_out_header){ sizeof *header + length, error, unique };
	/* ENOENT: the request was interrupted and is gone. ENODEV: so is the mount, as the next read will say. */
	if (write(device, reply, header->len) < 0 && errno != ENOENT && errno != ENODEV) {
		perror("floor: answer");
		exit(1);
	}
}

static struct fuse_attr attributes(uint64_t node)
{
	if (node == FILE_NODE)
		return (struct fuse_attr){ .ino = node, .size = FILE_SIZE, .blocks = FILE_SIZE / 512,
					   .mode = S_IFREG | 0666, .nlink = 1, .blksize = 4096 };
	return (struct fuse_attr){ .ino = node, .mode = S_IFDIR | 0755, .nlink = 2, .blksize = 4096 };
}

static size_t init(const struct fuse_init_in *in)
{
	struct fuse_init_out *out = arguments_room();
	uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES;
	*out = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & wanted,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = MAX_WRITE,
		.time_gran = 1,
		.max_pages = MAX_WRITE / 4096,
	};
	return sizeof *out;
}

static size_t lookup(const char *name)
{
	struct fuse_entry_out *out = arguments_room();
	if (strcmp(name, "f") != 0)
		return 0;
	*out = (struct fuse_entry_out){ .nodeid = FILE_NODE,
					.entry_valid = options.entry_timeout,
					.attr_valid = options.attr_timeout,
					.attr = attributes(FILE_NODE) };
	return sizeof *out;
}

static size_t getattr(uint64_t node)
{
	struct fuse_attr_out *out = arguments_room();
	*out = (struct fuse_attr_out){ .attr_valid = options.attr_timeout, .attr = attributes(node) };
	return sizeof *out;
}

static size_t opened(void)
{
	struct fuse_open_out *out = arguments_room();
	*out = (struct fuse_open_out){ .open_flags = options.direct_io ? FOPEN_DIRECT_IO : 0 };
	return sizeof *out;
}

static size_t zeros(const struct fuse_read_in *in)
{
	size_t left = in->offset < FILE_SIZE ? FILE_SIZE - in->offset : 0;
	size_t length = in->size < left ? in->size : left;
	memset(arguments_room(), 0, length);
	return length;
}

static size_t written(const struct fuse_write_in *in)
{
	struct fuse_write_out *out = arguments_room();
	*out = (struct fuse_write_out){ .size = in->size };
	return sizeof *out;
}

static size_t statfs_of_it(void)
{
	struct fuse_statfs_out *out = arguments_room();
	*out = (struct fuse_statfs_out){ .st = { .blocks = FILE_SIZE / 4096, .files = 2, .bsize = 4096,
						 .frsize = 4096, .namelen = 255 } };
	return sizeof *out;
}

static void serve(void)
{
	struct fuse_in_header *in = (void *)request;
	void *arguments = request + sizeof *in;
	size_t length;

	switch (in->opcode) {
	case FUSE_INIT:
		return answer(in->unique, 0, init(arguments));
	case FUSE_LOOKUP:
		length = lookup(arguments);
		return answer(in->unique, length ? 0 : -ENOENT, length);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return answer(in->unique, 0, getattr(in->nodeid));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(in->unique, 0, opened());
	case FUSE_READ:
		return answer(in->unique, 0, zeros(arguments));
	case FUSE_WRITE:
		return answer(in->unique, 0, written(arguments));
	case FUSE_STATFS:
		return answer(in->unique, 0, statfs_of_it());
	case FUSE_READDIR:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		return answer(in->unique, 0, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		return answer(in->unique, -ENOSYS, 0);
	}
}

static void parse(char *list)
{
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		if (strcmp(word, "direct_io") == 0)
			options.direct_io = 1;
		else if (sscanf(word, "attr_timeout=%u", &options.attr_timeout) != 1 &&
			 sscanf(word, "entry_timeout=%u", &options.entry_timeout) != 1) {
			fprintf(stderr, "floor: unknown option %s\n", word);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	char data[128];
	int option;

	while ((option = getopt(argc, argv, "o:")) != -1) {
		if (option != 'o')
			return 1;
		parse(optarg);
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: floor [-o options] directory\n");
		return 1;
	}
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions", device);
	if (device < 0 || mount("floor", argv[optind], "fuse.floor", MS_NOSUID | MS_NODEV, data) < 0) {
		perror("floor: mount");
		return 32;
	}
	request = aligned_alloc(4096, ROOM);
	reply = aligned_alloc(4096, ROOM);
	for (;;) {
		if (read(device, request, ROOM) >= 0)
			serve();
		else if (errno == ENODEV)
			return 0;
		/* ENOENT: the request was interrupted before it was read. */
		else if (errno != EINTR && errno != ENOENT && errno != EAGAIN) {
			perror("floor: request");
			return 1;
		}
	}
}
