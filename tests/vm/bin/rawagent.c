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
#include <unistd.h>

#include "common/channel.h"

#define FREEZE_MAX  8
#define VOLUMES_MAX 8

struct agent {
	struct channel channel;
	uint64_t read, preserved, unreadable, time_ns;
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
		volumes[i].channel_fd = agents[i].channel.fd;
		volumes[i].flags = (o->full ? TIDEMARK_CUT_FULL : 0) |
				   (o->stream ? TIDEMARK_CUT_FUZZY | TIDEMARK_CUT_STREAM : 0);
	}
	if (ioctl(agents[0].channel.fd, TIDEMARK_IOC_CUT, &cut))
		err(1, "CUT");
	for (i = 0; i < nr; i++) {
		agents[i].channel.epoch = volumes[i].epoch;
		agents[i].channel.frozen = volumes[i].frozen_chunks;
		agents[i].time_ns = cut.time_ns;
	}
}

static void cut(struct agent *a, const struct options *o)
{
	cut_together(a, 1, o);
}

static void store(struct agent *a, uint64_t chunk, const void *data, uint32_t bytes)
{
	off_t at = (off_t)(chunk * a->channel.info.chunk_bytes);

	if (pwrite(a->image, data, bytes, at) != (ssize_t)bytes)
		err(1, "the image");
}

static void take_record(void *context, const struct tidemark_record *r)
{
	struct agent *a = context;

	if (r->epoch != a->channel.epoch)
		errx(1, "record %llu of epoch %llu out of place", (unsigned long long)r->seq,
		     (unsigned long long)r->epoch);
	if (r->type == TIDEMARK_RECORD_PRESERVED) {
		if (r->payload_bytes != channel_chunk_bytes(&a->channel, r->chunk))
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
	channel_drain(&a->channel, take_record, a);
}

static void die_if_lost(const struct agent *a)
{
	if (__atomic_load_n(&a->channel.producer->cut_state, __ATOMIC_ACQUIRE) == TIDEMARK_CUT_LOST)
		errx(3, "the cut is lost, reason %u", a->channel.producer->lost_reason);
}

static void read_chunk(struct agent *a, uint64_t chunk, void *buffer)
{
	uint64_t at = a->channel.info.start_sector * TIDEMARK_SECTOR_BYTES +
		      chunk * a->channel.info.chunk_bytes;
	bool readable = pread(a->live, buffer, channel_chunk_bytes(&a->channel, chunk), (off_t)at) ==
			(ssize_t)channel_chunk_bytes(&a->channel, chunk);

	if (!channel_release(&a->channel, chunk))
		return;
	if (!readable)
		err(1, "chunk %llu", (unsigned long long)chunk);
	store(a, chunk, buffer, channel_chunk_bytes(&a->channel, chunk));
	a->read++;
}

static void read_all(struct agent *a, useconds_t slow)
{
	uint64_t *words = channel_read_frozen(&a->channel);
	void *buffer = aligned_alloc(4096, a->channel.info.chunk_bytes);
	uint64_t chunk, counted = 0;

	for (chunk = 0; chunk < a->channel.info.nr_chunks; chunk++) {
		if (!(words[chunk / 64] >> chunk % 64 & 1))
			continue;
		counted++;
		drain(a);
		die_if_lost(a);
		read_chunk(a, chunk, buffer);
		if (slow)
			usleep(slow);
	}
	if (counted != a->channel.frozen)
		errx(1, "%llu chunks were frozen, the bitmap has %llu",
		     (unsigned long long)a->channel.frozen, (unsigned long long)counted);
	while (a->read + a->preserved + a->unreadable < a->channel.frozen) {
		struct pollfd wait = { .fd = a->channel.fd, .events = POLLIN | POLLPRI };

		if (poll(&wait, 1, 10000) == 0)
			errx(1, "%llu chunks never came", (unsigned long long)(a->channel.frozen -
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
	channel_end(&a->channel, TIDEMARK_END_COMMIT);
	printf("frozen %llu read %llu preserved %llu unreadable %llu time %llu\n",
	       (unsigned long long)a->channel.frozen, (unsigned long long)a->read,
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
		channel_bind(&agents[nr].channel, words[0], 0);
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
	release.epoch = a->channel.epoch;
	for (; release.first_chunk < a->channel.info.nr_chunks; release.first_chunk += release.nr_chunks) {
		left = a->channel.info.nr_chunks - release.first_chunk;
		release.nr_chunks = left < TIDEMARK_RELEASE_CHUNKS_MAX ?
				    (uint32_t)left : TIDEMARK_RELEASE_CHUNKS_MAX;
		if (ioctl(a->channel.fd, TIDEMARK_IOC_RELEASE, &release))
			err(1, "RELEASE");
	}
	channel_end(&a->channel, TIDEMARK_END_COMMIT);
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void throw_away(struct agent *a, const struct options *o)
{
	while (channel_stream_state(&a->channel) == TIDEMARK_STREAM_ON) {
		a->channel.consumed = __atomic_load_n(&a->channel.producer->producer_pos, __ATOMIC_ACQUIRE);
		__atomic_store_n(&a->channel.consumer->consumer_pos, a->channel.consumed, __ATOMIC_RELEASE);
		usleep(o->slow);
	}
	errx(1, "the stream is behind, reason %u", a->channel.producer->behind_reason);
}

static void wait_until_lost(struct agent *a)
{
	struct pollfd wait = { .fd = a->channel.fd, .events = POLLPRI };

	if (poll(&wait, 1, 20000) != 1 || !(wait.revents & POLLPRI))
		errx(1, "the cut is not lost");
	printf("lost %u\n", a->channel.producer->lost_reason);
	channel_end(&a->channel, TIDEMARK_END_ABORT);
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
	int c = channel_open();
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
	struct tidemark_cut_volume twice[2] = { { .channel_fd = a->channel.fd },
						{ .channel_fd = a->channel.fd } };
	struct tidemark_cut_volume bad = { .channel_fd = 0 };
	struct tidemark_cut_volume flags = { .channel_fd = a->channel.fd, .flags = 8 };
	struct tidemark_devno nowhere = { 240, 77 };
	struct tidemark_cut one = { .nr_volumes = 1 }, two = { .nr_volumes = 2 }, c;

	WANT(EINVAL, try_cut(twice, (struct tidemark_cut){ .nr_volumes = 0 }, a->channel.fd));
	WANT(EINVAL, try_cut(twice, (struct tidemark_cut){ .nr_volumes = 65 }, a->channel.fd));
	WANT(EINVAL, try_cut(twice, two, a->channel.fd));
	WANT(EBADF, try_cut(&bad, one, a->channel.fd));
	WANT(EINVAL, try_cut(&flags, one, a->channel.fd));
	WANT(EFAULT, try_cut((void *)8, one, a->channel.fd));
	c = one, c.nr_freeze = 1, c.freeze = (uintptr_t)&nowhere;
	WANT(ENXIO, try_cut(twice, c, a->channel.fd));
}

static void check_errors_in_cut(struct agent *a)
{
	uint64_t words[TIDEMARK_RELEASE_CHUNKS_MAX / 64 + 1];
	struct tidemark_release r = { .epoch = a->channel.epoch, .nr_chunks = 1,
				      .words = (uintptr_t)words };
	struct tidemark_read_frozen f = { .nr_chunks = a->channel.info.nr_chunks + 1,
					  .words = (uintptr_t)words };
	struct tidemark_end e = { .epoch = a->channel.epoch, .how = TIDEMARK_END_COMMIT };
	struct tidemark_cut_volume again = { .channel_fd = a->channel.fd };

	WANT(EBUSY, try_cut(&again, (struct tidemark_cut){ .nr_volumes = 1 }, a->channel.fd));
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_READ_FROZEN, &f));
	f.nr_chunks = 1, f.first_chunk = 1;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_READ_FROZEN, &f));
	r.first_chunk = a->channel.info.nr_chunks;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_RELEASE, &r));
	r.first_chunk = 0, r.nr_chunks = TIDEMARK_RELEASE_CHUNKS_MAX + 1;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_RELEASE, &r));
	r.nr_chunks = 1, r.epoch = a->channel.epoch + 1;
	WANT(ENODATA, ioctl(a->channel.fd, TIDEMARK_IOC_RELEASE, &r));
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_END, &e)); /* base all zero */
	e.base[0] = 1;
	WANT(EBUSY, ioctl(a->channel.fd, TIDEMARK_IOC_END, &e)); /* frozen chunks stand */
	e.how = 3;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_END, &e));
}

/* With a cut and without: nothing of this depends on it, nor fails halfway unsaid. */
static void check_dirty_errors(struct agent *a)
{
	uint64_t words[2] = { 0, 0 };
	struct tidemark_dirty d = { .nr_chunks = a->channel.info.nr_chunks + 1,
				    .words = (uintptr_t)words };
	int unbound = open("/dev/" TIDEMARK_DEVICE_NAME, O_RDWR | O_CLOEXEC);

	WANT(ENOTCONN, ioctl(unbound, TIDEMARK_IOC_DIRTY, &d));
	close(unbound);
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_DIRTY, &d));
	d.nr_chunks = 0;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_DIRTY, &d));
	d.nr_chunks = 1, d.first_chunk = 1;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_DIRTY, &d));
	d.first_chunk = ~63ULL;
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_DIRTY, &d));
	d.first_chunk = 0, d.words = 8;
	WANT(EFAULT, ioctl(a->channel.fd, TIDEMARK_IOC_DIRTY, &d));
	d.words = (uintptr_t)words;
	if (ioctl(a->channel.fd, TIDEMARK_IOC_DIRTY, &d))
		err(1, "DIRTY");
}

static void check_calls(struct agent *a, const char *mapped)
{
	struct options all = { .full = true };
	struct tidemark_bind again = { .abi = TIDEMARK_ABI_VERSION, .mapped = devno_of(mapped) };
	struct tidemark_end e;

	check_bind_errors(mapped);
	WANT(EINVAL, ioctl(a->channel.fd, TIDEMARK_IOC_BIND, &again));
	WANT(EPERM, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, a->channel.fd, 4096) == MAP_FAILED ?
		    -1 : 0);
	WANT(EACCES, mprotect((void *)(uintptr_t)a->channel.data, 4096, PROT_READ | PROT_WRITE));
	check_cut_errors(a);
	check_dirty_errors(a);
	e = (struct tidemark_end){ .epoch = 1, .how = TIDEMARK_END_ABORT };
	WANT(ENODATA, ioctl(a->channel.fd, TIDEMARK_IOC_END, &e));
	cut(a, &all);
	check_errors_in_cut(a);
	check_dirty_errors(a);
	channel_end(&a->channel, TIDEMARK_END_ABORT);
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
	channel_bind(&a.channel, argv[2], o.ring_bytes);
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
		__atomic_store_n(&a.channel.consumer->consumer_pos, 4096, __ATOMIC_RELEASE);
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
