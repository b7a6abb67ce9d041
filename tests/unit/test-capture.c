// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A capture against an imitated module and the real catalog: a writer overwrites
 * the volume all the while, and the point must be what was there at the cut. The
 * functions of agent/channel.h that a capture calls are defined here, and the
 * linker takes these.
 */
#include "agent/capture.h"
#include "agent/channel.h"
#include "common/failure.h"
#include "common/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <uapi/tidemark.h>
#include <unistd.h>

#define CHUNK_BYTES 4096u
#define NR_CHUNKS   1500u
#define TAIL_BYTES  1536u
#define VOLUME_BYTES ((NR_CHUNKS - 1) * (uint64_t)CHUNK_BYTES + TAIL_BYTES)
#define RING_BYTES  65536u
#define EPOCH       3
#define NR_STOLEN   100u

enum fault {
	NO_FAULT,
	FAULT_RELEASE,     /* the cut is lost */
	FAULT_CHUNK,       /* a record of a chunk that does not exist */
	FAULT_PAYLOAD,     /* a record with a payload of another size */
	FAULT_TWICE,       /* a chunk that comes twice */
	FAULT_HANGUP,      /* the attachment goes away */
	FAULT_UNREADABLE,  /* the module could not read what was overwritten */
	FAULT_IDLE,        /* no writes but the first */
	FAULT_OVERRUN,     /* everything is overwritten, and drained; then a signal */
};

/* The imitated module. */
struct channel {
	pthread_mutex_t lock; /* the next five */
	uint64_t frozen[(NR_CHUNKS + 63) / 64];
	uint64_t standing[(NR_CHUNKS + 63) / 64];
	uint64_t nr_frozen;
	uint64_t position;
	uint64_t seq;
	struct tidemark_ring_consumer consumer;
	struct tidemark_ring_producer producer;
	uint8_t *data;
	struct ring ring;
	struct channel_info info;
	int pipe_fds[2]; /* a byte for each record */
	int device_fd;
	uint8_t *at_cut;
	enum fault fault;
	bool stop;
	int signal_fd; /* the scene's */
	uint32_t longest; /* lock: of the runs that were released, in chunks */
	uint64_t preserved;
};

const struct channel_info *channel_info(const struct channel *channel)
{
	return &channel->info;
}

struct ring *channel_ring(struct channel *channel)
{
	char bytes[4096];

	/* What poll() reported is taken by draining. */
	if (read(channel->pipe_fds[0], bytes, sizeof(bytes)) < 0)
		assert_int_equal(errno, EAGAIN);
	return &channel->ring;
}

int channel_fd(const struct channel *channel)
{
	return channel->pipe_fds[0];
}

int channel_read_frozen(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
			uint64_t *ret_words)
{
	memcpy(ret_words, channel->frozen + first_chunk / 64, (nr_chunks + 63) / 64 * 8);
	return 0;
}

int channel_check_device(struct channel *channel)
{
	struct stat st;

	assert_int_equal(fstat(channel->device_fd, &st), 0);
	return (uint64_t)st.st_size < VOLUME_BYTES ? -ENXIO : 0;
}

int channel_release(struct channel *channel, uint64_t epoch, uint64_t first_chunk,
		    uint32_t nr_chunks, uint64_t *ret_words)
{
	assert_int_equal(epoch, EPOCH);
	if (channel->fault == FAULT_RELEASE && first_chunk > NR_CHUNKS / 2)
		return failure_set(-ESTALE, "given up");
	memset(ret_words, 0, (nr_chunks + 63) / 64 * 8);
	pthread_mutex_lock(&channel->lock);
	if (channel->longest < nr_chunks)
		channel->longest = nr_chunks;
	for (uint32_t i = 0; i < nr_chunks; i++) {
		uint64_t chunk = first_chunk + i;
		uint64_t bit = 1ull << chunk % 64;

		if (channel->standing[chunk / 64] & bit)
			ret_words[i / 64] |= 1ull << i % 64;
		channel->standing[chunk / 64] &= ~bit;
	}
	pthread_mutex_unlock(&channel->lock);
	return 0;
}

static uint32_t chunk_bytes(uint64_t chunk)
{
	return chunk == NR_CHUNKS - 1 ? TAIL_BYTES : CHUNK_BYTES;
}

static void emit(struct channel *channel, uint32_t type, uint64_t chunk, const void *payload,
		 uint32_t bytes)
{
	struct tidemark_record header = {
		.record_bytes = (uint32_t)(sizeof(header) + bytes + 63) / 64 * 64,
		.type = type,
		.seq = ++channel->seq,
		.epoch = EPOCH,
		.chunk = chunk,
		.payload_bytes = bytes,
	};
	uint8_t record[sizeof(header) + 2 * CHUNK_BYTES];

	/* Held until there is room, as a writer would be. */
	while (channel->position + header.record_bytes -
		       __atomic_load_n(&channel->consumer.consumer_pos, __ATOMIC_ACQUIRE) >
	       RING_BYTES) {
		if (__atomic_load_n(&channel->stop, __ATOMIC_ACQUIRE))
			return;
		usleep(50);
	}
	memcpy(record, &header, sizeof(header));
	if (bytes)
		memcpy(record + sizeof(header), payload, bytes);
	for (uint32_t i = 0; i < sizeof(header) + bytes; i++) {
		size_t at = (channel->position + i) % RING_BYTES;

		channel->data[at] = channel->data[at + RING_BYTES] = record[i];
	}
	channel->position += header.record_bytes;
	__atomic_store_n(&channel->producer.producer_pos, channel->position, __ATOMIC_RELEASE);
	if (write(channel->pipe_fds[1], "", 1) < 0)
		assert_int_equal(errno, EAGAIN);
}

static void preserve(struct channel *channel, uint64_t chunk)
{
	uint8_t *old = channel->at_cut + chunk * CHUNK_BYTES;
	uint32_t bytes = chunk_bytes(chunk);

	if (channel->fault == FAULT_UNREADABLE && chunk % 3 == 0) {
		emit(channel, TIDEMARK_RECORD_UNREADABLE, chunk, NULL, 0);
		memset(old, 0, bytes);
	} else if (channel->fault == FAULT_CHUNK && channel->preserved > 20) {
		emit(channel, TIDEMARK_RECORD_PRESERVED, NR_CHUNKS, old, bytes);
	} else if (channel->fault == FAULT_PAYLOAD && channel->preserved > 20) {
		emit(channel, TIDEMARK_RECORD_PRESERVED, chunk, old, bytes - 1);
	} else {
		emit(channel, TIDEMARK_RECORD_PRESERVED, chunk, old, bytes);
	}
	if (channel->fault == FAULT_TWICE && channel->preserved > 20)
		emit(channel, TIDEMARK_RECORD_PRESERVED, chunk, old, bytes);
	channel->preserved++;
}

static void overwrite(struct channel *channel, uint64_t chunk, int value)
{
	uint8_t fresh[CHUNK_BYTES];

	memset(fresh, value, sizeof(fresh));
	assert_int_equal(pwrite(channel->device_fd, fresh, chunk_bytes(chunk),
				(off_t)(chunk * CHUNK_BYTES)), chunk_bytes(chunk));
}

static bool is_frozen(const struct channel *channel, uint64_t chunk)
{
	return channel->frozen[chunk / 64] >> chunk % 64 & 1;
}

/* The first chunks were about to be written when the cut was made. */
static void steal_first(struct channel *channel)
{
	for (uint64_t chunk = 0; chunk < NR_STOLEN; chunk++)
		channel->standing[chunk / 64] &= ~(1ull << chunk % 64);
}

static void write_stolen(struct channel *channel)
{
	for (uint64_t chunk = 0; chunk < NR_STOLEN; chunk++) {
		if (is_frozen(channel, chunk))
			preserve(channel, chunk);
		overwrite(channel, chunk, (int)chunk);
	}
}

static void overwrite_all(struct channel *channel)
{
	uint64_t one = 1;

	for (uint64_t chunk = NR_STOLEN; chunk < NR_CHUNKS; chunk++) {
		preserve(channel, chunk);
		overwrite(channel, chunk, (int)chunk);
	}
	while (!__atomic_load_n(&channel->stop, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&channel->consumer.consumer_pos, __ATOMIC_ACQUIRE) < channel->position)
		usleep(50);
	assert_int_equal(write(channel->signal_fd, &one, sizeof(one)), sizeof(one));
}

/* Overwrites chunks at random; the old content goes into the ring first. */
static void *writer(void *argument)
{
	struct channel *channel = argument;
	unsigned int seed = 11;

	if (channel->fault == FAULT_HANGUP) {
		close(channel->pipe_fds[1]);
		channel->pipe_fds[1] = -1;
		return NULL;
	}
	write_stolen(channel);
	if (channel->fault == FAULT_OVERRUN) {
		overwrite_all(channel);
		return NULL;
	}
	while (channel->fault != FAULT_IDLE && !__atomic_load_n(&channel->stop, __ATOMIC_ACQUIRE)) {
		uint64_t chunk = (uint64_t)rand_r(&seed) % NR_CHUNKS;
		uint64_t bit = 1ull << chunk % 64;
		bool stood;

		pthread_mutex_lock(&channel->lock);
		stood = channel->standing[chunk / 64] & bit;
		channel->standing[chunk / 64] &= ~bit;
		pthread_mutex_unlock(&channel->lock);
		if (stood)
			preserve(channel, chunk);
		overwrite(channel, chunk, rand_r(&seed));
	}
	return NULL;
}

struct scene {
	char dir[64];
	struct tmc_repo *repo;
	struct channel channel;
	struct interrupt interrupt;
	int stop_fd;
	struct progress progress;
	struct pace pace;
	uint8_t *seen;
	uint64_t unreadable_bytes;
	int live_fd; /* 0: the device itself; beyond its end reads fail */
};

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct channel *channel = &scene->channel;

	strcpy(scene->dir, "/tmp/tidemark-capture-XXXXXX");
	assert_non_null(mkdtemp(scene->dir));
	assert_int_equal(tmc_repo_create(scene->dir, CHUNK_BYTES), 0);
	assert_int_equal(tmc_repo_open(scene->dir, &scene->repo), 0);
	pthread_mutex_init(&channel->lock, NULL);
	channel->data = calloc(2, RING_BYTES);
	ring_init(&channel->ring, &channel->consumer, &channel->producer, channel->data,
		  RING_BYTES);
	channel->info = (struct channel_info){
		.volume_bytes = VOLUME_BYTES,
		.nr_chunks = NR_CHUNKS,
		.chunk_bytes = CHUNK_BYTES,
	};
	assert_int_equal(pipe2(channel->pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
	channel->device_fd = memfd_create("device", MFD_CLOEXEC);
	channel->at_cut = malloc(NR_CHUNKS * (size_t)CHUNK_BYTES);
	scene->seen = calloc(NR_CHUNKS, CHUNK_BYTES);
	scene->interrupt.fd = eventfd(0, EFD_NONBLOCK);
	scene->stop_fd = eventfd(0, EFD_NONBLOCK);
	channel->signal_fd = scene->interrupt.fd;
	scene->progress = (struct progress){.lock = PTHREAD_MUTEX_INITIALIZER};
	pace_init(&scene->pace, 0, 0);
	srandom(5);
	for (size_t i = 0; i < VOLUME_BYTES; i++)
		channel->at_cut[i] = (uint8_t)(random() >> 8);
	assert_int_equal(pwrite(channel->device_fd, channel->at_cut, VOLUME_BYTES, 0),
			 VOLUME_BYTES);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	struct channel *channel = &scene->channel;
	char command[128];

	tmc_repo_close(scene->repo);
	snprintf(command, sizeof(command), "rm -rf %s", scene->dir);
	assert_int_equal(system(command), 0);
	close(channel->pipe_fds[0]);
	if (channel->pipe_fds[1] >= 0)
		close(channel->pipe_fds[1]);
	close(channel->device_fd);
	close(scene->interrupt.fd);
	close(scene->stop_fd);
	free(channel->data);
	free(channel->at_cut);
	free(scene->seen);
	free(scene);
	return 0;
}

static void freeze(struct channel *channel, bool all)
{
	for (uint64_t chunk = 0; chunk < NR_CHUNKS; chunk++) {
		if (!all && random() % 3 && chunk != NR_CHUNKS - 1)
			continue;
		channel->frozen[chunk / 64] |= 1ull << chunk % 64;
		channel->nr_frozen++;
	}
	memcpy(channel->standing, channel->frozen, sizeof(channel->standing));
}

/* Runs a capture with a writer at work. The backup is the caller's to end. */
static int capture(struct scene *scene, const struct tmc_point *parent,
		   struct tmc_backup **ret_backup, struct capture_result *ret_result)
{
	struct tmc_volume volume = {.volume_id = "test", .volume_bytes = VOLUME_BYTES};
	struct capture_request request = {
		.channel = &scene->channel,
		.cut = {.epoch = EPOCH, .frozen_chunks = scene->channel.nr_frozen},
		.spill_dir = scene->dir,
		.live_fd = scene->live_fd ? scene->live_fd : scene->channel.device_fd,
		.interrupt = &scene->interrupt,
		.stop_fd = scene->stop_fd,
		.progress = &scene->progress,
		.pace = &scene->pace,
		.io_class = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0),
	};
	pthread_t thread;
	int r;

	assert_int_equal(tmc_backup_begin(scene->repo, &volume, parent, 1, ret_backup), 0);
	request.backup = *ret_backup;
	steal_first(&scene->channel);
	assert_int_equal(pthread_create(&thread, NULL, writer, &scene->channel), 0);
	r = capture_run(&request, ret_result);
	__atomic_store_n(&scene->channel.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return r;
}

static int on_data(void *context, uint64_t offset, const void *data, size_t bytes)
{
	struct scene *scene = context;

	memcpy(scene->seen + offset, data, bytes);
	return 0;
}

static int on_zero(void *context, uint64_t offset, uint64_t bytes)
{
	struct scene *scene = context;

	memset(scene->seen + offset, 0, bytes);
	return 0;
}

static int on_unreadable(void *context, uint64_t offset, uint64_t bytes)
{
	struct scene *scene = context;

	scene->unreadable_bytes += bytes;
	return on_zero(context, offset, bytes);
}

static void assert_point_is_the_cut(struct scene *scene, struct tmc_backup *backup,
				    struct tmc_point *ret_point)
{
	struct tmc_sink sink = {
		.data = on_data,
		.zero = on_zero,
		.unreadable = on_unreadable,
		.context = scene,
	};

	assert_int_equal(tmc_backup_commit(backup, 1, 1, ret_point), 0);
	assert_int_equal(tmc_point_extract(scene->repo, ret_point, 1, &sink), 0);
	assert_memory_equal(scene->seen, scene->channel.at_cut, VOLUME_BYTES);
}

static void a_point_is_what_was_there_at_the_cut(void **state)
{
	struct scene *scene = *state;
	struct capture_result result;
	struct tmc_backup *backup;
	struct tmc_point point;

	freeze(&scene->channel, true);
	assert_int_equal(capture(scene, NULL, &backup, &result), 0);
	assert_point_is_the_cut(scene, backup, &point);
	assert_int_equal(scene->channel.longest, TMC_BUFFER_BYTES / CHUNK_BYTES);
	assert_int_equal(result.frozen_bytes, VOLUME_BYTES);
	assert_true(scene->channel.preserved > 0);
	assert_true(result.preserved_bytes > 0);
}

static void a_limited_sweep_finds_the_same(void **state)
{
	struct scene *scene = *state;
	struct capture_result result;
	struct tmc_backup *backup;
	struct tmc_point point;

	pace_init(&scene->pace, 8u << 20, 200);
	freeze(&scene->channel, true);
	assert_int_equal(capture(scene, NULL, &backup, &result), 0);
	assert_point_is_the_cut(scene, backup, &point);
	assert_int_equal(scene->channel.longest, (8u << 20) / 32 / CHUNK_BYTES);
	assert_true(scene->channel.preserved > 0);
}

/* The readers have earned nothing for days, and all else goes on at full speed. */
static void a_limit_holds_up_neither_writers_nor_their_end(void **state)
{
	struct scene *scene = *state;
	struct capture_result result;
	struct tmc_backup *backup;
	int r;

	pace_init(&scene->pace, 1, 1);
	scene->channel.fault = FAULT_OVERRUN;
	freeze(&scene->channel, true);
	r = capture(scene, NULL, &backup, &result);
	tmc_backup_abort(backup);
	assert_int_equal(r, -ECANCELED);
	assert_int_equal(scene->channel.preserved, NR_CHUNKS);
	assert_int_equal(result.preserved_bytes, VOLUME_BYTES);
	assert_int_equal(result.read_bytes, 0);
}

static void an_increment_takes_the_rest_from_its_parent(void **state)
{
	struct scene *scene = *state;
	struct channel *channel = &scene->channel;
	struct capture_result result;
	struct tmc_backup *backup;
	struct tmc_point parent, point;

	freeze(channel, true);
	assert_int_equal(capture(scene, NULL, &backup, &result), 0);
	assert_point_is_the_cut(scene, backup, &parent);

	/* What the writer has done is frozen now, as the module would have it. */
	memset(channel->frozen, 0, sizeof(channel->frozen));
	channel->nr_frozen = 0;
	for (uint64_t chunk = 0; chunk < NR_CHUNKS; chunk++) {
		uint8_t now[CHUNK_BYTES];
		uint32_t bytes = chunk_bytes(chunk);

		assert_int_equal(
			pread(channel->device_fd, now, bytes, (off_t)(chunk * CHUNK_BYTES)), bytes);
		if (memcmp(now, channel->at_cut + chunk * CHUNK_BYTES, bytes) == 0)
			continue;
		memcpy(channel->at_cut + chunk * CHUNK_BYTES, now, bytes);
		channel->frozen[chunk / 64] |= 1ull << chunk % 64;
		channel->nr_frozen++;
	}
	memcpy(channel->standing, channel->frozen, sizeof(channel->standing));
	channel->stop = false;
	assert_int_equal(capture(scene, &parent, &backup, &result), 0);
	assert_point_is_the_cut(scene, backup, &point);
}

static void nothing_frozen_is_done_at_once(void **state)
{
	struct scene *scene = *state;
	struct capture_result result;
	struct tmc_backup *backup;

	assert_int_equal(capture(scene, NULL, &backup, &result), 0);
	assert_int_equal(result.read_bytes, 0);
	tmc_backup_abort(backup);
}

static void what_the_module_could_not_read_is_unreadable(void **state)
{
	struct scene *scene = *state;
	struct capture_result result;
	struct tmc_backup *backup;
	struct tmc_point point;

	scene->channel.fault = FAULT_UNREADABLE;
	freeze(&scene->channel, true);
	assert_int_equal(capture(scene, NULL, &backup, &result), 0);
	assert_point_is_the_cut(scene, backup, &point);
	assert_int_equal(point.unreadable_chunks, result.unreadable_chunks);
	assert_true(scene->unreadable_bytes > 0);
}

static int live_part(uint64_t bytes)
{
	int fd = memfd_create("live", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void chunks_that_the_device_cannot_read_are_unreadable(void **state)
{
	struct scene *scene = *state;
	struct capture_result result;
	struct tmc_backup *backup;

	scene->live_fd = live_part(1000 * CHUNK_BYTES);
	scene->channel.fault = FAULT_IDLE;
	freeze(&scene->channel, true);
	assert_int_equal(capture(scene, NULL, &backup, &result), 0);
	assert_in_range(result.unreadable_chunks, NR_CHUNKS - 1000 - NR_STOLEN, NR_CHUNKS - 1000);
	tmc_backup_abort(backup);
	close(scene->live_fd);
}

static void assert_ends_with(struct scene *scene, enum fault fault, int error)
{
	struct capture_result result;
	struct tmc_backup *backup;
	int r;

	scene->channel.fault = fault;
	freeze(&scene->channel, true);
	r = capture(scene, NULL, &backup, &result);
	tmc_backup_abort(backup);
	assert_int_equal(r, error);
}

static void a_lost_cut_ends_it(void **state)
{
	assert_ends_with(*state, FAULT_RELEASE, -ESTALE);
}

static void a_chunk_that_does_not_exist_ends_it(void **state)
{
	assert_ends_with(*state, FAULT_CHUNK, -EPROTO);
}

static void a_payload_of_another_size_ends_it(void **state)
{
	assert_ends_with(*state, FAULT_PAYLOAD, -EPROTO);
}

static void a_chunk_that_comes_twice_ends_it(void **state)
{
	assert_ends_with(*state, FAULT_TWICE, -EPROTO);
}

static void an_attachment_that_goes_away_ends_it(void **state)
{
	assert_ends_with(*state, FAULT_HANGUP, -ENODEV);
}

static void a_signal_ends_it(void **state)
{
	struct scene *scene = *state;
	uint64_t one = 1;

	assert_int_equal(write(scene->interrupt.fd, &one, sizeof(one)), sizeof(one));
	assert_ends_with(scene, NO_FAULT, -ECANCELED);
}

static void a_failure_of_another_volume_ends_it(void **state)
{
	struct scene *scene = *state;
	uint64_t one = 1;

	assert_int_equal(write(scene->stop_fd, &one, sizeof(one)), sizeof(one));
	assert_ends_with(scene, NO_FAULT, -ECANCELED);
}

static void a_module_that_counts_wrong_ends_it(void **state)
{
	struct scene *scene = *state;

	scene->channel.nr_frozen = 1;
	assert_ends_with(scene, NO_FAULT, -EPROTO);
}

static void a_device_that_became_shorter_ends_it(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(ftruncate(scene->channel.device_fd, 1000 * CHUNK_BYTES), 0);
	/* Idle: writes would make it whole again. */
	assert_ends_with(scene, FAULT_IDLE, -ENXIO);
}

static void a_device_that_reads_nowhere_ends_it(void **state)
{
	struct scene *scene = *state;

	scene->live_fd = live_part(0);
	assert_ends_with(scene, FAULT_IDLE, -ENXIO);
	close(scene->live_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_point_is_what_was_there_at_the_cut),
		TEST(a_limited_sweep_finds_the_same),
		TEST(a_limit_holds_up_neither_writers_nor_their_end),
		TEST(an_increment_takes_the_rest_from_its_parent),
		TEST(nothing_frozen_is_done_at_once),
		TEST(what_the_module_could_not_read_is_unreadable),
		TEST(chunks_that_the_device_cannot_read_are_unreadable),
		TEST(a_lost_cut_ends_it),
		TEST(a_chunk_that_does_not_exist_ends_it),
		TEST(a_payload_of_another_size_ends_it),
		TEST(a_chunk_that_comes_twice_ends_it),
		TEST(an_attachment_that_goes_away_ends_it),
		TEST(a_signal_ends_it),
		TEST(a_failure_of_another_volume_ends_it),
		TEST(a_module_that_counts_wrong_ends_it),
		TEST(a_device_that_became_shorter_ends_it),
		TEST(a_device_that_reads_nowhere_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
