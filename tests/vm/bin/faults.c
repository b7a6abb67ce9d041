// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 *   faults calls NAME LIVE TABLE FREEZE
 *       Each call to /dev/tidemark and to device-mapper about the target, once for
 *       each allocation and each copy from or to user space in it: the Nth fails, for
 *       N = 1, 2, ... until a call goes through with none failing. NAME is an
 *       attachment to the block device LIVE, TABLE the table of a second one to make
 *       and remove, FREEZE a device with a mounted file system.
 *   faults attach LIVE TABLE
 *       The first attachment of all, which is the one that takes the hook.
 *   faults writes NAME LIVE BARE
 *       The same for direct writes: to LIVE as it is, and to its chunks while a cut
 *       has them frozen or the stream is on. As many of them fail as of those to the device BARE, which
 *       is like LIVE and has no attachment.
 *   faults load MODULE.ko
 *       The same for loading the module, which is not loaded.
 *
 * The kernel counts the failure points of one task (fault injection's fail-nth) from
 * the moment it is told to, so nothing but the call lies between. After each failure:
 * what failed can be done again at once, and the attachment is as it was before
 * (without a cut, or with the one it had). Prints "NAME: N points, N errors".
 */
#include "common/dm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../../include/uapi/tidemark.h"

#define PAGE       4096UL
#define RING_BYTES (1U << 18) /* small: each page is a point */
#define POINTS_MAX 5000
#define SECOND     "second"

static const char *name, *second_table;
static struct tidemark_devno mapped, frozen;
static uint64_t nr_sectors;
static int channel = -1, live_fd = -1, bare_fd = -1;
static uint64_t epoch;
static void *mapping; /* of mapping_bytes; none: 0 bytes */
static size_t mapping_bytes;
static uint8_t *block;
static uint64_t words[TIDEMARK_RELEASE_CHUNKS_MAX / 64];
static uint64_t next_chunk;

/* ------------------------------------------------------------------ fault injection */

static int nth_fd = -1;

static void arm(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (nth_fd < 0)
		nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (pwrite(nth_fd, text, (size_t)length, 0) != length)
		err(1, "fail-nth");
}

/* Has it failed something? The kernel's copies of what we ask here count as well. */
static bool disarm(void)
{
	char text[16] = "";
	bool fired = pread(nth_fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	while (pwrite(nth_fd, "0", 1, 0) != 1)
		;
	return fired;
}

/* ------------------------------------------------------------------------ scenarios */

/*
 * @prepare: what must be there before the call; @call: 0 or a negative errno; @undo: back
 * to where prepare started. @again: what a second call may say after a first that did
 * its work and could not copy the answer out (-EFAULT); 0: it must succeed.
 */
struct scenario {
	const char *name;
	void (*prepare)(void);
	int (*call)(void);
	void (*undo)(void);
	int again;
};

static void nothing(void)
{
}

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

static void must(int r, const char *what)
{
	if (r)
		errx(1, "%s without a fault: %s", what, strerror(-r));
}

static int open_channel(void)
{
	channel = open("/dev/" TIDEMARK_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	return result(channel);
}

static void have_channel(void)
{
	must(open_channel(), "open");
}

static int close_channel(void)
{
	int r = close(channel);

	channel = -1;
	return result(r);
}

static void no_channel(void)
{
	if (mapping_bytes && munmap(mapping, mapping_bytes))
		err(1, "munmap");
	mapping_bytes = 0;
	if (channel >= 0)
		close_channel();
}

static int bind_channel(void)
{
	struct tidemark_bind bind = { .abi = TIDEMARK_ABI_VERSION, .mapped = mapped,
				      .ring_bytes = RING_BYTES };

	return result(ioctl(channel, TIDEMARK_IOC_BIND, &bind));
}

static void have_bound_channel(void)
{
	have_channel();
	must(bind_channel(), "BIND");
}

static int map_at(size_t bytes, int protection, off_t offset)
{
	mapping = mmap(NULL, bytes, protection, MAP_SHARED, channel, offset);
	if (mapping == MAP_FAILED)
		return -errno;
	mapping_bytes = bytes;
	return 0;
}

static int map_consumer(void)
{
	return map_at(PAGE, PROT_READ | PROT_WRITE, 0);
}

static int map_producer(void)
{
	return map_at(PAGE, PROT_READ, PAGE);
}

static int map_data(void)
{
	return map_at(2 * RING_BYTES, PROT_READ, 2 * PAGE);
}

static int get_info(void)
{
	struct tidemark_info info;

	return result(ioctl(channel, TIDEMARK_IOC_INFO, &info));
}

static int poll_channel(void)
{
	struct pollfd wait = { .fd = channel, .events = POLLIN | POLLPRI };

	return result(poll(&wait, 1, 0));
}

static int cut_with(uint32_t flags, unsigned int nr_freeze)
{
	struct tidemark_cut_volume volume = { .channel_fd = channel, .flags = flags };
	struct tidemark_cut cut = {
		.nr_volumes = 1,
		.nr_freeze = nr_freeze,
		.volumes = (uintptr_t)&volume,
		.freeze = (uintptr_t)&frozen,
	};
	int r = result(ioctl(channel, TIDEMARK_IOC_CUT, &cut));

	epoch = volume.epoch;
	return r;
}

static int cut_volume(void)
{
	return cut_with(TIDEMARK_CUT_FULL, 0);
}

static int freeze_and_cut(void)
{
	return cut_with(TIDEMARK_CUT_FULL, 1);
}

static int cut_and_stream(void)
{
	return cut_with(TIDEMARK_CUT_FUZZY | TIDEMARK_CUT_STREAM, 0);
}

static void have_stream(void)
{
	have_bound_channel();
	must(cut_and_stream(), "CUT with STREAM");
}

static int send_mark(void)
{
	return dm_message(name, "mark here");
}

static void have_cut(void)
{
	have_bound_channel();
	must(cut_volume(), "CUT");
}

static int read_frozen(void)
{
	struct tidemark_read_frozen read = { .nr_chunks = 256, .words = (uintptr_t)words };

	return result(ioctl(channel, TIDEMARK_IOC_READ_FROZEN, &read));
}

static int add_dirty(void)
{
	struct tidemark_dirty dirty = { .nr_chunks = 256, .words = (uintptr_t)words };

	return result(ioctl(channel, TIDEMARK_IOC_DIRTY, &dirty));
}

static int release_from(uint64_t first)
{
	uint64_t left = nr_sectors / 128 - first;
	struct tidemark_release release = {
		.epoch = epoch,
		.first_chunk = first,
		.nr_chunks = (uint32_t)(left < 64 ? left : 64),
		.words = (uintptr_t)words,
	};

	return result(ioctl(channel, TIDEMARK_IOC_RELEASE, &release));
}

static int release_some(void)
{
	return release_from(0);
}

static void have_released_cut(void)
{
	uint64_t chunk;

	have_cut();
	for (chunk = 0; chunk < nr_sectors / 128; chunk += 64)
		must(release_from(chunk), "RELEASE");
}

static int end_cut(uint32_t how)
{
	struct tidemark_end end = { .epoch = epoch, .how = how };

	if (how == TIDEMARK_END_COMMIT)
		end.base[0] = 1;
	return result(ioctl(channel, TIDEMARK_IOC_END, &end));
}

static int commit(void)
{
	return end_cut(TIDEMARK_END_COMMIT);
}

static int abort_cut(void)
{
	return end_cut(TIDEMARK_END_ABORT);
}

static int create_second(void)
{
	return dm_create(SECOND);
}

/*
 * With a table of another type, so that all that device-mapper makes for a device's
 * first table is there: those are hundreds of points, and none of them is ours.
 */
static void have_second(void)
{
	must(create_second(), "create");
	must(dm_load(SECOND, nr_sectors - 8, "error", ""), "load");
}

static int load_second(void)
{
	return dm_load(SECOND, nr_sectors - 8, TIDEMARK_TARGET_NAME, second_table);
}

static void have_second_loaded(void)
{
	have_second();
	must(load_second(), "load");
}

static int resume_second(void)
{
	return dm_resume(SECOND);
}

static void have_second_live(void)
{
	have_second_loaded();
	must(resume_second(), "resume");
}

static void have_second_reloaded(void)
{
	have_second_live();
	must(load_second(), "reload");
}

static int clear_second(void)
{
	return dm_clear(SECOND);
}

static int suspend_second(void)
{
	return dm_suspend(SECOND);
}

static int remove_second(void)
{
	return dm_remove(SECOND);
}

static void no_second(void)
{
	uint32_t major, minor;

	if (!dm_number(SECOND, &major, &minor))
		must(remove_second(), "remove");
}

/* Removed under a channel that has a cut of it. */
static void have_second_with_cut(void)
{
	struct tidemark_devno first = mapped;

	have_second_live();
	must(dm_number(SECOND, &mapped.major, &mapped.minor), "number");
	have_cut();
	mapped = first;
}

static void no_second_and_no_channel(void)
{
	no_channel();
	no_second();
}

static int get_status(void)
{
	char text[512];

	return dm_status(name, text, sizeof(text));
}

static int get_table(void)
{
	char text[512];

	return dm_table(name, text, sizeof(text));
}

static int send_message(void)
{
	return dm_message(name, "stall_ms 40");
}

static int send_forget(void)
{
	return dm_message(name, "forget");
}

static const struct scenario calls[] = {
	{ "open", nothing, open_channel, no_channel, 0 },
	{ "bind", have_channel, bind_channel, no_channel, -EINVAL },
	{ "map consumer", have_bound_channel, map_consumer, no_channel, 0 },
	{ "map producer", have_bound_channel, map_producer, no_channel, 0 },
	{ "map data", have_bound_channel, map_data, no_channel, 0 },
	{ "info", have_bound_channel, get_info, no_channel, 0 },
	{ "poll", have_cut, poll_channel, no_channel, 0 },
	{ "cut", have_bound_channel, cut_volume, no_channel, -EBUSY },
	{ "freeze and cut", have_bound_channel, freeze_and_cut, no_channel, -EBUSY },
	{ "cut and stream", have_bound_channel, cut_and_stream, no_channel, -EBUSY },
	{ "mark", have_stream, send_mark, no_channel, 0 },
	{ "close amid a stream", have_stream, close_channel, no_channel, 0 },
	{ "read frozen", have_cut, read_frozen, no_channel, 0 },
	{ "dirty", have_bound_channel, add_dirty, no_channel, 0 },
	{ "release", have_cut, release_some, no_channel, 0 },
	{ "commit", have_released_cut, commit, no_channel, 0 },
	{ "abort", have_cut, abort_cut, no_channel, 0 },
	{ "close amid a cut", have_cut, close_channel, no_channel, 0 },
	{ "create", nothing, create_second, no_second, -EBUSY },
	{ "load", have_second, load_second, no_second, 0 },
	{ "resume", have_second_loaded, resume_second, no_second, 0 },
	{ "reload", have_second_live, load_second, no_second, 0 },
	{ "resume with a new table", have_second_reloaded, resume_second, no_second, 0 },
	{ "clear", have_second_reloaded, clear_second, no_second, 0 },
	{ "suspend", have_second_live, suspend_second, no_second, 0 },
	{ "remove", have_second_live, remove_second, no_second, -ENXIO },
	{ "remove amid a cut", have_second_with_cut, remove_second, no_second_and_no_channel,
	  -ENXIO },
	{ "status", nothing, get_status, nothing, 0 },
	{ "table", nothing, get_table, nothing, 0 },
	{ "message", nothing, send_message, nothing, 0 },
	{ "forget", nothing, send_forget, nothing, 0 },
	{ 0 },
};

static const struct scenario attaching[] = {
	{ "load the first table", have_second, load_second, no_second, 0 },
	{ "remove the last device", have_second_live, remove_second, no_second, -ENXIO },
	{ 0 },
};

/* ---------------------------------------------------------------------------- writes */

static int write_to(int fd)
{
	uint64_t chunk = next_chunk++ % (nr_sectors / 128);

	memset(block, (int)next_chunk, PAGE);
	return pwrite(fd, block, PAGE, (off_t)(chunk << 16)) == (ssize_t)PAGE ? 0 : -errno;
}

static int write_bare(void)
{
	return write_to(bare_fd);
}

static int write_live(void)
{
	return write_to(live_fd);
}

static const struct scenario writes[] = {
	{ "bare write", nothing, write_bare, nothing, 0 },
	{ "write", nothing, write_live, nothing, 0 },
	{ "write to a frozen chunk", have_cut, write_live, no_channel, 0 },
	{ "streamed write", have_stream, write_live, no_channel, 0 },
	{ 0 },
};

/* ----------------------------------------------------------------------------- module */

static const char *module_path;

static int load_module(void)
{
	int fd = open(module_path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = result((int)syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return r;
}

static void unload_module(void)
{
	if (syscall(SYS_delete_module, "dm_tidemark", O_NONBLOCK) && errno != ENOENT)
		err(1, "unloading");
}

static const struct scenario loads[] = {
	{ "load the module", nothing, load_module, unload_module, -EEXIST },
	{ 0 },
};

/* ---------------------------------------------------------------------------- the run */

/* Between two scenarios' steps the attachment has no cut, and nobody is its agent. */
static void expect_idle(const char *scenario, unsigned int nth)
{
	char text[512];

	if (!name)
		return;
	must(dm_status(name, text, sizeof(text)), "status");
	if (!strstr(text, " none ") || !strstr(text, "agent no"))
		errx(1, "%s, point %u: left behind: %s", scenario, nth, text);
}

static void expect_again(const struct scenario *s, int first, unsigned int nth)
{
	int r = s->call();

	if (r && (r != s->again || first != -EFAULT))
		errx(1, "%s, point %u: failed (%s) and cannot be done again: %s", s->name, nth,
		     strerror(-first), strerror(-r));
}

static bool run_point(const struct scenario *s, unsigned int nth, unsigned int *errors)
{
	bool fired;
	int r;

	s->prepare();
	arm(nth);
	r = s->call();
	fired = disarm();
	if (r && !fired)
		errx(1, "%s fails without a fault: %s", s->name, strerror(-r));
	if (r) {
		++*errors;
		expect_again(s, r, nth);
	}
	s->undo();
	expect_idle(s->name, nth);
	return fired;
}

static unsigned int sweep(const struct scenario *s)
{
	unsigned int nth = 1, errors = 0;

	while (run_point(s, nth, &errors))
		if (++nth > POINTS_MAX)
			errx(1, "%s: the sweep has no end", s->name);
	printf("%s: %u points, %u errors\n", s->name, nth - 1, errors);
	fflush(stdout);
	return errors;
}

static struct tidemark_devno devno_of(const char *node)
{
	struct stat st;

	if (stat(node, &st) || !S_ISBLK(st.st_mode))
		errx(1, "%s: not a block device", node);
	return (struct tidemark_devno){ major(st.st_rdev), minor(st.st_rdev) };
}

static int open_device(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void use_device(const char *path)
{
	off_t bytes;

	live_fd = open_device(path);
	bytes = lseek(live_fd, 0, SEEK_END);
	block = aligned_alloc(PAGE, PAGE);
	if (bytes < 0 || !block)
		err(1, "%s", path);
	nr_sectors = (uint64_t)bytes / 512;
}

static void use_attachment(const char *mapped_name, const char *path)
{
	name = mapped_name;
	use_device(path);
	must(dm_number(name, &mapped.major, &mapped.minor), name);
}

static void sweep_all(const struct scenario *s)
{
	for (; s->name; s++)
		sweep(s);
}

static void run_writes(void)
{
	const struct scenario *s;
	unsigned int i, bare, errors;

	/* What is allocated once for each task or CPU does not count. */
	for (i = 0; i < 64; i++) {
		write_bare();
		write_live();
	}
	bare = sweep(writes);
	for (s = writes + 1; s->name; s++) {
		errors = sweep(s);
		if (errors != bare)
			errx(1, "%s: %u errors, %u without us", s->name, errors, bare);
	}
}

int main(int argc, char **argv)
{
	/* A page fault of ours allocates as well. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		err(1, "mlockall");
	if (argc == 6 && !strcmp(argv[1], "calls")) {
		use_attachment(argv[2], argv[3]);
		second_table = argv[4];
		frozen = devno_of(argv[5]);
		sweep_all(calls);
	} else if (argc == 4 && !strcmp(argv[1], "attach")) {
		use_device(argv[2]);
		second_table = argv[3];
		sweep_all(attaching);
	} else if (argc == 5 && !strcmp(argv[1], "writes")) {
		use_attachment(argv[2], argv[3]);
		bare_fd = open_device(argv[4]);
		run_writes();
	} else if (argc == 3 && !strcmp(argv[1], "load")) {
		module_path = argv[2];
		sweep_all(loads);
	} else {
		errx(1, "faults calls | attach | writes | load: see the source's head");
	}
	return 0;
}
