// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * An agent of the tests' own: the kernel's contract without the product's agent,
 * straight and slow, and able to misbehave.
 *
 *   rawagent image MAPPED LIVE IMAGE [full] [slow=USECS] [freeze=DEVICE]... [ring=BYTES]
 *                  [log=FILE]
 *       Cut, read the frozen set into IMAGE, commit. MAPPED is the mapped device's
 *       node, LIVE the device. slow: sleep after each chunk read. log: copy FILE to
 *       IMAGE.before and IMAGE.after, right before and after the cut. Prints
 *       "frozen N read N preserved N unreadable N time NS".
 *   rawagent together MAPPED LIVE IMAGE [MAPPED LIVE IMAGE]... [full]
 *       One cut over several volumes; then each as with image.
 *   rawagent apart MAPPED LIVE IMAGE [MAPPED LIVE IMAGE]... [full]
 *       The wrong way: a cut for each, 20 ms after the one before.
 *   rawagent adopt MAPPED
 *       Cut all, release it unread, commit: what comes next is relative to now.
 *   rawagent hold MAPPED [full] [ring=BYTES] [freeze=DEVICE]...
 *       Cut, print "cut", then wait for a signal, and never read the ring.
 *   rawagent drain MAPPED [ring=BYTES] [slow=USECS]
 *       Begin the stream, print "cut", then throw away what comes, every USECS, until a
 *       signal. Fails when the stream is behind.
 *   rawagent break MAPPED
 *       Cut, print "cut", store nonsense as the consumer's position, wait for the
 *       cut to be lost, print "lost REASON".
 *   rawagent wait-lost MAPPED
 *       Cut all, print "cut", wait until the cut is lost, print "lost REASON".
 *   rawagent calls MAPPED
 *       Make each call wrongly in each documented way; "ok" if all errors are right.
 *
 * Exit status 0, or 1 with a line on stderr; 3 when image's cut was lost.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../../include/uapi/tidemark.h"

#define FREEZE_MAX  8
#define VOLUMES_MAX 8

struct agent {
	int channel;
	struct tidemark_info info;
	uint32_t ring_bytes;
	struct tidemark_ring_consumer *consumer;
	const struct tidemark_ring_producer *producer;
	const uint8_t *data;
	uint64_t consumed;
	uint64_t last_seq;
	uint64_t epoch;
	uint64_t frozen, read, preserved, unreadable, time_ns;
	int live, image;
	pthread_t reader;
};

struct options {
	bool full, stream;
	useconds_t slow;
	uint32_t ring_bytes;
	const char *log;
	struct tidemark_devno freeze[FREEZE_MAX];
	unsigned int nr_freeze;
};

static struct tidemark_devno devno_of(const char *node)
{
	struct stat st;

	if (stat(node, &st) || !S_ISBLK(st.st_mode))
		errx(1, "%s: not a block device", node);
	return (struct tidemark_devno){ major(st.st_rdev), minor(st.st_rdev) };
}

static void parse_options(char **words, struct options *o)
{
	for (; *words; words++) {
		if (!strcmp(*words, "full"))
			o->full = true;
		else if (!strncmp(*words, "slow=", 5))
			o->slow = (useconds_t)atoi(*words + 5);
		else if (!strncmp(*words, "ring=", 5))
			o->ring_bytes = (uint32_t)strtoul(*words + 5, NULL, 0);
		else if (!strncmp(*words, "log=", 4))
			o->log = *words + 4;
		else if (!strncmp(*words, "freeze=", 7) && o->nr_freeze < FREEZE_MAX)
			o->freeze[o->nr_freeze++] = devno_of(*words + 7);
		else
			errx(1, "%s: what?", *words);
	}
}

static int open_channel(void)
{
	int fd = open("/dev/" TIDEMARK_DEVICE_NAME, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "/dev/" TIDEMARK_DEVICE_NAME);
	return fd;
}

static void *map(int fd, size_t bytes, int protection, off_t offset)
{
	void *p = mmap(NULL, bytes, protection, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		err(1, "mmap at %ld", (long)offset);
	return p;
}

static void bind_to(struct agent *a, const char *mapped, uint32_t ring_bytes)
{
	struct tidemark_bind bind = {
		.abi = TIDEMARK_ABI_VERSION,
		.mapped = devno_of(mapped),
		.ring_bytes = ring_bytes,
	};
	long page = sysconf(_SC_PAGESIZE);

	a->channel = open_channel();
	if (ioctl(a->channel, TIDEMARK_IOC_BIND, &bind))
		err(1, "BIND");
	a->info = bind.info;
	a->ring_bytes = bind.ring_bytes;
	a->consumer = map(a->channel, (size_t)page, PROT_READ | PROT_WRITE, 0);
	a->producer = map(a->channel, (size_t)page, PROT_READ, page);
	a->data = map(a->channel, 2 * (size_t)a->ring_bytes, PROT_READ, 2 * page);
}

static void cut_together(struct agent *agents, uint32_t nr, const struct options *o)
{
	struct tidemark_cut_volume volumes[VOLUMES_MAX] = { 0 };
	struct tidemark_cut cut = {
		.nr_volumes = nr,
		.nr_freeze = o->nr_freeze,
		.volumes = (uintptr_t)volumes,
		.freeze = (uintptr_t)o->freeze,
	};
	uint32_t i;

	for (i = 0; i < nr; i++) {
		volumes[i].channel_fd = agents[i].channel;
		volumes[i].flags = (o->full ? TIDEMARK_CUT_FULL : 0) |
				   (o->stream ? TIDEMARK_CUT_FUZZY | TIDEMARK_CUT_STREAM : 0);
	}
	if (ioctl(agents[0].channel, TIDEMARK_IOC_CUT, &cut))
		err(1, "CUT");
	for (i = 0; i < nr; i++) {
		agents[i].epoch = volumes[i].epoch;
		agents[i].frozen = volumes[i].frozen_chunks;
		agents[i].time_ns = cut.time_ns;
	}
}

static void cut(struct agent *a, const struct options *o)
{
	cut_together(a, 1, o);
}

static uint32_t chunk_bytes(const struct agent *a, uint64_t chunk)
{
	uint64_t left = a->info.volume_bytes - chunk * a->info.chunk_bytes;

	return left < a->info.chunk_bytes ? (uint32_t)left : a->info.chunk_bytes;
}

static void store(struct agent *a, uint64_t chunk, const void *data, uint32_t bytes)
{
	if (pwrite(a->image, data, bytes, (off_t)(chunk * a->info.chunk_bytes)) != (ssize_t)bytes)
		err(1, "the image");
}

static void take_record(struct agent *a, const struct tidemark_record *r)
{
	if (r->seq != ++a->last_seq || r->epoch != a->epoch)
		errx(1, "record %llu of epoch %llu out of place", (unsigned long long)r->seq,
		     (unsigned long long)r->epoch);
	if (r->type == TIDEMARK_RECORD_PRESERVED) {
		if (r->payload_bytes != chunk_bytes(a, r->chunk))
			errx(1, "a payload of %u bytes", r->payload_bytes);
		store(a, r->chunk, r + 1, r->payload_bytes);
		a->preserved++;
	} else if (r->type == TIDEMARK_RECORD_UNREADABLE) {
		a->unreadable++;
	} else {
		errx(1, "record of type %u", r->type);
	}
}

static void drain(struct agent *a)
{
	uint64_t end = __atomic_load_n(&a->producer->producer_pos, __ATOMIC_ACQUIRE);

	while (a->consumed != end) {
		const struct tidemark_record *r =
			(const void *)(a->data + a->consumed % a->ring_bytes);

		take_record(a, r);
		a->consumed += r->record_bytes;
		__atomic_store_n(&a->consumer->consumer_pos, a->consumed, __ATOMIC_RELEASE);
	}
}

static void die_if_lost(const struct agent *a)
{
	if (__atomic_load_n(&a->producer->cut_state, __ATOMIC_ACQUIRE) == TIDEMARK_CUT_LOST)
		errx(3, "the cut is lost, reason %u", a->producer->lost_reason);
}

static bool release(struct agent *a, uint64_t chunk)
{
	uint64_t word = 0;
	struct tidemark_release release = {
		.epoch = a->epoch,
		.first_chunk = chunk,
		.nr_chunks = 1,
		.words = (uintptr_t)&word,
	};

	if (ioctl(a->channel, TIDEMARK_IOC_RELEASE, &release))
		err(errno == ESTALE ? 3 : 1, "RELEASE");
	return word & 1;
}

static void read_chunk(struct agent *a, uint64_t chunk, void *buffer)
{
	uint64_t at = a->info.start_sector * TIDEMARK_SECTOR_BYTES + chunk * a->info.chunk_bytes;
	bool readable = pread(a->live, buffer, chunk_bytes(a, chunk), (off_t)at) ==
			(ssize_t)chunk_bytes(a, chunk);

	if (!release(a, chunk))
		return;
	if (!readable)
		err(1, "chunk %llu", (unsigned long long)chunk);
	store(a, chunk, buffer, chunk_bytes(a, chunk));
	a->read++;
}

static uint64_t *read_frozen(struct agent *a)
{
	uint64_t *words = calloc(a->info.nr_chunks / 64 + 1, sizeof(*words));
	struct tidemark_read_frozen read = {
		.nr_chunks = a->info.nr_chunks,
		.words = (uintptr_t)words,
	};

	if (!words || ioctl(a->channel, TIDEMARK_IOC_READ_FROZEN, &read))
		err(1, "READ_FROZEN");
	return words;
}

static void end_cut(struct agent *a, uint32_t how)
{
	struct tidemark_end end = { .epoch = a->epoch, .how = how };

	memcpy(end.base, "rawagent", 8);
	if (ioctl(a->channel, TIDEMARK_IOC_END, &end))
		err(errno == ESTALE ? 3 : 1, "END");
}

static void read_all(struct agent *a, useconds_t slow)
{
	uint64_t *words = read_frozen(a);
	void *buffer = aligned_alloc(4096, a->info.chunk_bytes);
	uint64_t chunk, counted = 0;

	for (chunk = 0; chunk < a->info.nr_chunks; chunk++) {
		if (!(words[chunk / 64] >> chunk % 64 & 1))
			continue;
		counted++;
		drain(a);
		die_if_lost(a);
		read_chunk(a, chunk, buffer);
		if (slow)
			usleep(slow);
	}
	if (counted != a->frozen)
		errx(1, "%llu chunks were frozen, the bitmap has %llu",
		     (unsigned long long)a->frozen, (unsigned long long)counted);
	while (a->read + a->preserved + a->unreadable < a->frozen) {
		struct pollfd wait = { .fd = a->channel, .events = POLLIN | POLLPRI };

		if (poll(&wait, 1, 10000) == 0)
			errx(1, "%llu chunks never came", (unsigned long long)(a->frozen -
			     a->read - a->preserved - a->unreadable));
		drain(a);
		die_if_lost(a);
	}
	free(buffer);
	free(words);
}

static void open_files(struct agent *a, const char *live, const char *image)
{
	a->live = open(live, O_RDONLY | O_DIRECT | O_CLOEXEC);
	a->image = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (a->live < 0 || a->image < 0)
		err(1, "%s", a->live < 0 ? live : image);
}

static void copy_log(const char *log, const char *image, const char *when)
{
	static char buffer[1 << 20], path[256];
	int from, to;
	ssize_t got;

	if (!log)
		return;
	snprintf(path, sizeof(path), "%s.%s", image, when);
	from = open(log, O_RDONLY | O_CLOEXEC);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		err(1, "%s", from < 0 ? log : path);
	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		if (write(to, buffer, (size_t)got) != got)
			err(1, "%s", path);
	close(from);
	close(to);
}

static void finish(struct agent *a)
{
	if (fsync(a->image))
		err(1, "the image");
	end_cut(a, TIDEMARK_END_COMMIT);
	printf("frozen %llu read %llu preserved %llu unreadable %llu time %llu\n",
	       (unsigned long long)a->frozen, (unsigned long long)a->read,
	       (unsigned long long)a->preserved, (unsigned long long)a->unreadable,
	       (unsigned long long)a->time_ns);
}

static void do_image(struct agent *a, const char *live, const char *image, const struct options *o)
{
	open_files(a, live, image);
	copy_log(o->log, image, "before");
	cut(a, o);
	copy_log(o->log, image, "after");
	read_all(a, o->slow);
	finish(a);
}

static void *read_part(void *argument)
{
	read_all(argument, 0);
	return NULL;
}

/* words: MAPPED LIVE IMAGE for each volume, all of them paths, then options. */
static void do_images(char **words, bool together)
{
	static struct agent agents[VOLUMES_MAX];
	struct options o = { 0 };
	uint32_t nr = 0, i;

	for (; words[0] && words[0][0] == '/' && words[1] && words[2]; words += 3) {
		if (nr == VOLUMES_MAX)
			errx(1, "at most %d volumes", VOLUMES_MAX);
		bind_to(&agents[nr], words[0], 0);
		open_files(&agents[nr++], words[1], words[2]);
	}
	parse_options(words, &o);
	if (together)
		cut_together(agents, nr, &o);
	for (i = 0; i < nr; i++) {
		if (!together)
			cut(&agents[i], &o);
		if (pthread_create(&agents[i].reader, NULL, read_part, &agents[i]))
			errx(1, "threads");
		if (!together)
			usleep(20000);
	}
	for (i = 0; i < nr; i++) {
		pthread_join(agents[i].reader, NULL);
		finish(&agents[i]);
	}
}

static void adopt(struct agent *a)
{
	uint64_t words[TIDEMARK_RELEASE_CHUNKS_MAX / 64];
	struct options all = { .full = true };
	struct tidemark_release release = { .words = (uintptr_t)words };
	uint64_t left;

	cut(a, &all);
	release.epoch = a->epoch;
	for (; release.first_chunk < a->info.nr_chunks; release.first_chunk += release.nr_chunks) {
		left = a->info.nr_chunks - release.first_chunk;
		release.nr_chunks = left < TIDEMARK_RELEASE_CHUNKS_MAX ?
				    (uint32_t)left : TIDEMARK_RELEASE_CHUNKS_MAX;
		if (ioctl(a->channel, TIDEMARK_IOC_RELEASE, &release))
			err(1, "RELEASE");
	}
	end_cut(a, TIDEMARK_END_COMMIT);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void throw_away(struct agent *a, const struct options *o)
{
	while (__atomic_load_n(&a->producer->stream_state, __ATOMIC_ACQUIRE) == TIDEMARK_STREAM_ON) {
		a->consumed = __atomic_load_n(&a->producer->producer_pos, __ATOMIC_ACQUIRE);
		__atomic_store_n(&a->consumer->consumer_pos, a->consumed, __ATOMIC_RELEASE);
		usleep(o->slow);
	}
	errx(1, "the stream is behind, reason %u", a->producer->behind_reason);
}

static void wait_until_lost(struct agent *a)
{
	struct pollfd wait = { .fd = a->channel, .events = POLLPRI };

	if (poll(&wait, 1, 20000) != 1 || !(wait.revents & POLLPRI))
		errx(1, "the cut is not lost");
	printf("lost %u\n", a->producer->lost_reason);
	end_cut(a, TIDEMARK_END_ABORT);
}

#define WANT(error, call) want(error, (call), #call, __LINE__)
static void want(int error, int result, const char *call, int line)
{
	if (error ? result != -1 || errno != error : result != 0)
		errx(1, "line %d: %s: %s, not %s", line, call,
		     result ? strerror(errno) : "success", strerror(error));
}

static void check_bind_errors(const char *mapped)
{
	int c = open_channel();
	struct tidemark_bind good = { .abi = TIDEMARK_ABI_VERSION, .mapped = devno_of(mapped) };
	struct tidemark_bind b = good;
	struct tidemark_info info;

	WANT(ENOTCONN, ioctl(c, TIDEMARK_IOC_INFO, &info));
	WANT(ENOTCONN, mmap(NULL, 4096, PROT_READ, MAP_SHARED, c, 0) == MAP_FAILED ? -1 : 0);
	WANT(ENOTTY, ioctl(c, _IO('x', 1), 0));
	WANT(EFAULT, ioctl(c, TIDEMARK_IOC_BIND, NULL));
	b.abi = TIDEMARK_ABI_VERSION + 1;
	WANT(EPROTONOSUPPORT, ioctl(c, TIDEMARK_IOC_BIND, &b));
	if (b.abi != TIDEMARK_ABI_VERSION)
		errx(1, "BIND does not tell its version");
	b = good, b.flags = 1;
	WANT(EINVAL, ioctl(c, TIDEMARK_IOC_BIND, &b));
	b = good, b.ring_bytes = 12345;
	WANT(EINVAL, ioctl(c, TIDEMARK_IOC_BIND, &b));
	b = good, b.ring_bytes = TIDEMARK_RING_BYTES_MIN;
	WANT(EINVAL, ioctl(c, TIDEMARK_IOC_BIND, &b)); /* fewer than four chunks */
	b = good, b.mapped.minor += 77;
	WANT(ENXIO, ioctl(c, TIDEMARK_IOC_BIND, &b));
	b = good;
	WANT(EBUSY, ioctl(c, TIDEMARK_IOC_BIND, &b)); /* by the agent of the caller */
	close(c);
}

static int try_cut(struct tidemark_cut_volume *volume, struct tidemark_cut cut, int channel)
{
	cut.volumes = (uintptr_t)volume;
	return ioctl(channel, TIDEMARK_IOC_CUT, &cut);
}

static void check_cut_errors(struct agent *a)
{
	struct tidemark_cut_volume twice[2] = { { .channel_fd = a->channel },
						{ .channel_fd = a->channel } };
	struct tidemark_cut_volume bad = { .channel_fd = 0 };
	struct tidemark_cut_volume flags = { .channel_fd = a->channel, .flags = 8 };
	struct tidemark_devno nowhere = { 240, 77 };
	struct tidemark_cut one = { .nr_volumes = 1 }, two = { .nr_volumes = 2 }, c;

	WANT(EINVAL, try_cut(twice, (struct tidemark_cut){ .nr_volumes = 0 }, a->channel));
	WANT(EINVAL, try_cut(twice, (struct tidemark_cut){ .nr_volumes = 65 }, a->channel));
	WANT(EINVAL, try_cut(twice, two, a->channel));
	WANT(EBADF, try_cut(&bad, one, a->channel));
	WANT(EINVAL, try_cut(&flags, one, a->channel));
	WANT(EFAULT, try_cut((void *)8, one, a->channel));
	c = one, c.nr_freeze = 1, c.freeze = (uintptr_t)&nowhere;
	WANT(ENXIO, try_cut(twice, c, a->channel));
}

static void check_errors_in_cut(struct agent *a)
{
	uint64_t words[TIDEMARK_RELEASE_CHUNKS_MAX / 64 + 1];
	struct tidemark_release r = { .epoch = a->epoch, .nr_chunks = 1,
				      .words = (uintptr_t)words };
	struct tidemark_read_frozen f = { .nr_chunks = a->info.nr_chunks + 1,
					  .words = (uintptr_t)words };
	struct tidemark_end e = { .epoch = a->epoch, .how = TIDEMARK_END_COMMIT };
	struct tidemark_cut_volume again = { .channel_fd = a->channel };

	WANT(EBUSY, try_cut(&again, (struct tidemark_cut){ .nr_volumes = 1 }, a->channel));
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_READ_FROZEN, &f));
	f.nr_chunks = 1, f.first_chunk = 1;
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_READ_FROZEN, &f));
	r.first_chunk = a->info.nr_chunks;
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_RELEASE, &r));
	r.first_chunk = 0, r.nr_chunks = TIDEMARK_RELEASE_CHUNKS_MAX + 1;
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_RELEASE, &r));
	r.nr_chunks = 1, r.epoch = a->epoch + 1;
	WANT(ENODATA, ioctl(a->channel, TIDEMARK_IOC_RELEASE, &r));
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_END, &e)); /* base all zero */
	e.base[0] = 1;
	WANT(EBUSY, ioctl(a->channel, TIDEMARK_IOC_END, &e)); /* frozen chunks stand */
	e.how = 3;
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_END, &e));
}

static void check_calls(struct agent *a, const char *mapped)
{
	struct options all = { .full = true };
	struct tidemark_bind again = { .abi = TIDEMARK_ABI_VERSION, .mapped = devno_of(mapped) };
	struct tidemark_end e;

	check_bind_errors(mapped);
	WANT(EINVAL, ioctl(a->channel, TIDEMARK_IOC_BIND, &again));
	WANT(EPERM, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, a->channel, 4096) == MAP_FAILED ?
		    -1 : 0);
	WANT(EACCES, mprotect((void *)(uintptr_t)a->data, 4096, PROT_READ | PROT_WRITE));
	check_cut_errors(a);
	e = (struct tidemark_end){ .epoch = 1, .how = TIDEMARK_END_ABORT };
	WANT(ENODATA, ioctl(a->channel, TIDEMARK_IOC_END, &e));
	cut(a, &all);
	check_errors_in_cut(a);
	end_cut(a, TIDEMARK_END_ABORT);
	say("ok");
}

int main(int argc, char **argv)
{
	static struct agent a;
	struct options o = { 0 };
	const char *verb = argc > 2 ? argv[1] : "";

	if (!*verb)
		errx(1, "the verbs are in the source's head");
	if (!strcmp(verb, "together") || !strcmp(verb, "apart")) {
		do_images(argv + 2, *verb == 't');
		return 0;
	}
	if (!strcmp(verb, "image") && argc > 4)
		parse_options(argv + 5, &o);
	if (!strcmp(verb, "hold") || !strcmp(verb, "drain"))
		parse_options(argv + 3, &o);
	bind_to(&a, argv[2], o.ring_bytes);
	if (!strcmp(verb, "image") && argc > 4) {
		do_image(&a, argv[3], argv[4], &o);
	} else if (!strcmp(verb, "adopt")) {
		adopt(&a);
	} else if (!strcmp(verb, "hold")) {
		cut(&a, &o);
		say("cut");
		pause();
	} else if (!strcmp(verb, "drain")) {
		o.stream = true;
		cut(&a, &o);
		say("cut");
		throw_away(&a, &o);
	} else if (!strcmp(verb, "break")) {
		o.full = true;
		cut(&a, &o);
		__atomic_store_n(&a.consumer->consumer_pos, 4096, __ATOMIC_RELEASE);
		say("cut");
		wait_until_lost(&a);
	} else if (!strcmp(verb, "wait-lost")) {
		o.full = true;
		cut(&a, &o);
		say("cut");
		wait_until_lost(&a);
	} else if (!strcmp(verb, "calls")) {
		check_calls(&a, argv[2]);
	} else {
		errx(1, "%s: no such verb", verb);
	}
	return 0;
}
