// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The lock is the gate: who has it is alone with tracker, cut and ring. Payloads are copied
 * and the volume is written to without it, so that records are published out of turn and
 * reads run into writes.
 */
#include "imitated_module.h"
#include "agent/device.h"
#include "agent/live_volume.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <uapi/tidemark.h>
#include <unistd.h>

#define SECTOR       512u
#define START_SECTOR 8u    /* of the volume on its device */
#define SPARE_BYTES  256u  /* for records that cannot wait */
#define NR_SLOTS     4096u
#define NR_MODULES   4u

/* A record between its reservation and its publication. */
struct slot {
	uint64_t end;
	bool complete;
};

struct channel {
	struct module *module;
	struct channel_info info;
	struct tidemark_ring_consumer consumer;
	struct tidemark_ring_producer producer;
	uint8_t *data; /* twice in a row */
	struct ring ring;
	int event_fd;
	uint64_t reserved, published, seq; /* the module's lock, as all below */
	struct slot slots[NR_SLOTS];
	uint64_t first_slot, end_slot;
	bool gone, quiet;
};

struct module {
	struct module_options options;
	char name[ATTACHMENT_NAME_BYTES];
	int fd;
	pthread_mutex_t lock; /* all below */
	struct channel *channel;
	uint64_t nr_chunks;
	uint8_t *dirty, *frozen; /* by chunk */
	uint32_t *landing;       /* by chunk: writes in flight */
	uint64_t epoch, cut_seq, start_cut_seq, start_epoch;
	bool cut_is_open, streams, stands;
	unsigned int nr_waiting, nr_channels;
	uint8_t base[MODULE_BASE_BYTES];
};

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;
static struct module *modules[NR_MODULES];

/* -------------------------------------------------------------------- lifetime */

static void die(const char *what)
{
	fprintf(stderr, "imitated module: %s\n", what);
	abort();
}

static void size_up(struct module *module, uint64_t bytes)
{
	module->options.volume_bytes = bytes;
	module->nr_chunks = (bytes + module->options.chunk_bytes - 1) / module->options.chunk_bytes;
	free(module->dirty);
	free(module->frozen);
	free(module->landing);
	module->dirty = malloc(module->nr_chunks);
	module->frozen = calloc(module->nr_chunks, 1);
	module->landing = calloc(module->nr_chunks, sizeof(*module->landing));
	memset(module->dirty, 1, module->nr_chunks);
	memset(module->base, 0, sizeof(module->base));
	if (ftruncate(module->fd, (off_t)(START_SECTOR * SECTOR + bytes)) < 0)
		die("no memory for the volume");
}

struct module *module_create(const struct module_options *options)
{
	struct module *module = calloc(1, sizeof(*module));

	module->options = *options;
	snprintf(module->name, sizeof(module->name), "%s", options->name);
	module->epoch = 1;
	module->fd = memfd_create("volume", MFD_CLOEXEC);
	pthread_mutex_init(&module->lock, NULL);
	size_up(module, options->volume_bytes);
	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < NR_MODULES; i++) {
		if (!modules[i]) {
			modules[i] = module;
			return module;
		}
	}
	die("too many volumes");
	return NULL;
}

void module_destroy(struct module *module)
{
	{
		LOCK_SCOPE(&modules_lock);
		for (size_t i = 0; i < NR_MODULES; i++)
			if (modules[i] == module)
				modules[i] = NULL;
	}
	if (module->channel)
		die("destroyed with a channel");
	close(module->fd);
	free(module->dirty);
	free(module->frozen);
	free(module->landing);
	free(module);
}

/* ------------------------------------------------------------------------- ring */

static void wake(const struct channel *channel)
{
	uint64_t one = 1;

	if (!channel->quiet && write(channel->event_fd, &one, sizeof(one)) < 0)
		die("eventfd");
}

static void show_stream(struct channel *channel, uint32_t state)
{
	__atomic_store_n(&channel->producer.stream_last_seq, channel->seq, __ATOMIC_RELAXED);
	__atomic_store_n(&channel->producer.stream_state, state, __ATOMIC_RELEASE);
	wake(channel);
}

static void lose_locked(struct module *module)
{
	if (!module->streams)
		return;
	module->streams = module->stands = false;
	show_stream(module->channel, TIDEMARK_STREAM_BEHIND);
}

static uint32_t record_bytes(uint32_t payload_bytes)
{
	uint32_t bytes = (uint32_t)sizeof(struct tidemark_record) + payload_bytes;

	return (bytes + TIDEMARK_RECORD_ALIGN - 1) / TIDEMARK_RECORD_ALIGN * TIDEMARK_RECORD_ALIGN;
}

/* Where the payload goes, or NULL: no room. */
static uint8_t *reserve_locked(struct channel *channel, const struct tidemark_record *record,
			       uint32_t spare, uint64_t *ret_slot)
{
	struct tidemark_record header = *record;
	uint64_t ring_bytes = channel->module->options.ring_bytes;
	uint64_t consumed = __atomic_load_n(&channel->consumer.consumer_pos, __ATOMIC_ACQUIRE);
	uint8_t *at = channel->data + channel->reserved % ring_bytes;

	if (!header.record_bytes)
		header.record_bytes = record_bytes(header.payload_bytes);
	if (channel->reserved - consumed + header.record_bytes + spare > ring_bytes ||
	    channel->end_slot - channel->first_slot == NR_SLOTS)
		return NULL;
	header.time_ns = clock_ns(CLOCK_REALTIME_COARSE);
	header.seq += ++channel->seq;
	memcpy(at, &header, sizeof(header));
	channel->reserved += header.record_bytes;
	*ret_slot = channel->end_slot++;
	channel->slots[*ret_slot % NR_SLOTS] = (struct slot){.end = channel->reserved};
	return at + sizeof(header);
}

static void publish_locked(struct channel *channel, uint64_t nth)
{
	channel->slots[nth % NR_SLOTS].complete = true;
	while (channel->first_slot < channel->end_slot &&
	       channel->slots[channel->first_slot % NR_SLOTS].complete)
		channel->published = channel->slots[channel->first_slot++ % NR_SLOTS].end;
	__atomic_store_n(&channel->producer.producer_pos, channel->published, __ATOMIC_RELEASE);
	wake(channel);
}

static bool append_locked(struct module *module, const struct tidemark_record *record,
			  const void *payload, uint32_t spare)
{
	uint64_t slot;
	uint8_t *at = reserve_locked(module->channel, record, spare, &slot);

	if (!at)
		return false;
	if (record->payload_bytes)
		memcpy(at, payload, record->payload_bytes);
	publish_locked(module->channel, slot);
	return true;
}

void module_append(struct module *module, const struct tidemark_record *record, const void *payload)
{
	bool done = false;

	while (!done) {
		pthread_mutex_lock(&module->lock);
		done = append_locked(module, record, payload, 0);
		pthread_mutex_unlock(&module->lock);
		if (!done)
			usleep(200);
	}
}

/* ------------------------------------------------------------------------ poll */

static struct channel *channel_with(struct module *module, int fd)
{
	LOCK_SCOPE(&module->lock);
	return module->channel && module->channel->event_fd == fd ? module->channel : NULL;
}

static struct channel *channel_of(int fd)
{
	struct channel *channel = NULL;

	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < NR_MODULES && !channel; i++)
		channel = modules[i] ? channel_with(modules[i], fd) : NULL;
	return channel;
}

static short events_of(struct channel *channel)
{
	uint64_t consumed, count;
	short events = 0;

	LOCK_SCOPE(&channel->module->lock);
	consumed = __atomic_load_n(&channel->consumer.consumer_pos, __ATOMIC_ACQUIRE);
	if (read(channel->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		die("eventfd");
	if (channel->published != consumed && !channel->quiet)
		events |= POLLIN;
	if (channel->producer.stream_state == TIDEMARK_STREAM_BEHIND && !channel->quiet)
		events |= POLLPRI;
	return channel->gone ? POLLHUP : events;
}

static int plain_poll(struct pollfd *fds, nfds_t nr, int timeout_ms)
{
	struct timespec timeout = {
		.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000,
	};

	return (int)syscall(SYS_ppoll, fds, nr, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

/* The first of fds is the channel. What wakes it says only: look again. */
static int poll_channel(struct channel *channel, struct pollfd *fds, nfds_t nr, int timeout_ms)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * 1000000;

	for (;;) {
		short events = events_of(channel) & (fds[0].events | POLLHUP);
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		int left_ms = timeout_ms < 0 ? -1 : end_ns > now_ns ?
				(int)((end_ns - now_ns) / 1000000 + 1) : 0;
		short asked = fds[0].events;
		int nr_ready;

		fds[0].events = POLLIN;
		nr_ready = plain_poll(fds, nr, events ? 0 : left_ms);
		fds[0].events = asked;
		if (nr_ready < 0)
			return nr_ready;
		nr_ready -= fds[0].revents != 0;
		fds[0].revents = events;
		if (events || nr_ready || left_ms == 0)
			return nr_ready + (events != 0);
	}
}

/* Under a name of its own: the compiler thinks it knows that poll() does not read fds. */
int imitated_poll(struct pollfd *fds, nfds_t nr, int timeout_ms) __asm__("poll");
int imitated_poll(struct pollfd *fds, nfds_t nr, int timeout_ms)
{
	struct channel *channel = nr ? channel_of(fds[0].fd) : NULL;

	return channel ? poll_channel(channel, fds, nr, timeout_ms) : plain_poll(fds, nr, timeout_ms);
}

/* ----------------------------------------------------------------------- writes */

struct write {
	enum module_op op;
	uint64_t sector, nr_sectors;
	const uint8_t *data;
	uint64_t cut_seq; /* at submission */
	uint64_t waits_since_ns;
};

static uint64_t end_chunk(const struct module *module, const struct write *w)
{
	uint64_t per_chunk = module->options.chunk_bytes / SECTOR;

	return w->nr_sectors ? (w->sector + w->nr_sectors - 1) / per_chunk + 1 : 0;
}

static void mark_dirty_locked(struct module *module, const struct write *w)
{
	uint64_t first = w->sector * SECTOR / module->options.chunk_bytes;

	for (uint64_t chunk = first; chunk < end_chunk(module, w); chunk++)
		module->dirty[chunk] = 1;
}

static void count_locked(struct module *module, const struct write *w, int change)
{
	uint64_t first = w->sector * SECTOR / module->options.chunk_bytes;

	for (uint64_t chunk = first; chunk < end_chunk(module, w); chunk++)
		module->landing[chunk] += (uint32_t)change;
}

static uint32_t type_of(const struct write *w)
{
	switch (w->op) {
	case MODULE_ZEROES:
		return TIDEMARK_RECORD_ZEROES;
	case MODULE_DISCARD:
		return TIDEMARK_RECORD_DISCARD;
	case MODULE_FLUSH:
		return TIDEMARK_RECORD_FLUSH;
	default:
		return TIDEMARK_RECORD_WRITE;
	}
}

/* False: it has to wait. */
static bool try_to_record(struct module *module, struct write *w)
{
	struct tidemark_record record = {
		.type = type_of(w), .sector = w->sector, .nr_sectors = w->nr_sectors,
	};
	struct channel *channel = NULL;
	uint8_t *at = NULL;
	uint64_t slot;

	if (record.type == TIDEMARK_RECORD_WRITE)
		record.payload_bytes = (uint32_t)(w->nr_sectors * SECTOR);
	{
		LOCK_SCOPE(&module->lock);
		mark_dirty_locked(module, w);
		record.epoch = module->epoch;
		if (module->streams && w->waits_since_ns && clock_ns(CLOCK_MONOTONIC) -
		    w->waits_since_ns > module->options.stall_ms * 1000000ull)
			lose_locked(module);
		channel = module->streams ? module->channel : NULL;
		/* Whoever comes later does not overtake. */
		if (channel && (w->waits_since_ns || !module->nr_waiting))
			at = reserve_locked(channel, &record, SPARE_BYTES, &slot);
		if (channel && !at && !w->waits_since_ns) {
			w->waits_since_ns = clock_ns(CLOCK_MONOTONIC);
			module->nr_waiting++;
		} else if ((!channel || at) && w->waits_since_ns) {
			module->nr_waiting--;
		}
		if (!channel || at)
			count_locked(module, w, 1);
	}
	if (!at)
		return !channel;
	if (record.payload_bytes)
		memcpy(at, w->data, record.payload_bytes);
	LOCK_SCOPE(&module->lock);
	publish_locked(channel, slot);
	return true;
}

static void change_volume(struct module *module, const struct write *w)
{
	uint64_t bytes = w->nr_sectors * SECTOR;
	off_t at = (off_t)((START_SECTOR + w->sector) * SECTOR);
	uint8_t *zeroes = w->op == MODULE_ZEROES ? calloc(1, bytes) : NULL;
	const uint8_t *data = zeroes ? zeroes : w->data;

	if (w->op == MODULE_FAILING_WRITE)
		bytes = w->nr_sectors / 2 * SECTOR;
	if (data && pwrite(module->fd, data, bytes, at) != (ssize_t)bytes)
		die("pwrite");
	free(zeroes);
}

static void land(struct module *module, const struct write *w)
{
	struct tidemark_record rescan = {
		.type = TIDEMARK_RECORD_RESCAN, .sector = w->sector, .nr_sectors = w->nr_sectors,
	};
	bool failed = w->op == MODULE_FAILING_WRITE;

	LOCK_SCOPE(&module->lock);
	if (module->cut_seq != w->cut_seq || failed)
		mark_dirty_locked(module, w);
	if (module->streams && w->nr_sectors && (module->start_cut_seq > w->cut_seq || failed) &&
	    !append_locked(module, &rescan, NULL, 0))
		lose_locked(module);
	count_locked(module, w, -1);
}

static void linger(const struct module *module, unsigned int *seed)
{
	if (module->options.flight_us)
		usleep((useconds_t)rand_r(seed) % module->options.flight_us);
}

void module_write(struct module *module, enum module_op op, uint64_t sector, uint64_t nr_sectors,
		  const void *data, unsigned int *seed)
{
	struct write w = {.op = op, .sector = sector, .nr_sectors = nr_sectors};

	w.data = op == MODULE_WRITE || op == MODULE_FAILING_WRITE ? data : NULL;
	pthread_mutex_lock(&module->lock);
	w.cut_seq = module->cut_seq;
	pthread_mutex_unlock(&module->lock);
	while (!try_to_record(module, &w))
		usleep(500);
	linger(module, seed);
	change_volume(module, &w);
	linger(module, seed);
	land(module, &w);
}

int module_mark(struct module *module, const char *text)
{
	struct tidemark_record record = {
		.type = TIDEMARK_RECORD_MARK, .payload_bytes = (uint32_t)strlen(text),
	};

	for (;;) {
		pthread_mutex_lock(&module->lock);
		int r = !module->streams ? -ENOTCONN :
			append_locked(module, &record, text, SPARE_BYTES) ? module->stands : -EAGAIN;

		pthread_mutex_unlock(&module->lock);
		if (r != -EAGAIN)
			return r;
		usleep(500);
	}
}

/* ---------------------------------------------------------------------- channel */

static int gone(const struct channel *channel)
{
	return channel->gone ? failure_set(-ENODEV, "%s: was detached", channel->module->name) : 0;
}

static uint8_t *map_twice(size_t bytes)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *data = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || data == MAP_FAILED)
		die("no memory for the ring");
	for (size_t i = 0; i < 2; i++)
		if (mmap(data + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 0) == MAP_FAILED)
			die("no mapping for the ring");
	close(fd);
	return data;
}

static struct module *find_module(const char *name)
{
	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < NR_MODULES; i++)
		if (modules[i] && strcmp(modules[i]->name, name) == 0)
			return modules[i];
	return NULL;
}

int channel_open(const struct attachment *attachment, struct channel **ret_channel)
{
	static const uint8_t none[MODULE_BASE_BYTES];
	struct module *module = find_module(attachment->name);
	struct channel *channel = calloc(1, sizeof(*channel));
	size_t ring_bytes = module->options.ring_bytes;

	LOCK_SCOPE(&module->lock);
	if (module->channel)
		die("two channels");
	channel->module = module;
	channel->data = map_twice(ring_bytes);
	channel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring_init(&channel->ring, &channel->consumer, &channel->producer, channel->data, ring_bytes);
	channel->info = (struct channel_info){
		.volume_bytes = module->options.volume_bytes,
		.start_sector = START_SECTOR,
		.nr_chunks = module->nr_chunks,
		.chunk_bytes = module->options.chunk_bytes,
		.has_base = memcmp(module->base, none, sizeof(none)) != 0,
	};
	memcpy(channel->info.base, module->base, sizeof(module->base));
	module->channel = channel;
	module->nr_channels++;
	*ret_channel = channel;
	return 0;
}

static void abort_locked(struct module *module)
{
	for (uint64_t i = 0; i < module->nr_chunks && module->cut_is_open; i++)
		module->dirty[i] |= module->frozen[i];
	module->cut_is_open = false;
}

static bool try_to_leave(struct module *module, const struct channel *channel)
{
	LOCK_SCOPE(&module->lock);
	abort_locked(module);
	module->streams = module->stands = false;
	if (channel->first_slot != channel->end_slot)
		return false;
	module->channel = NULL;
	return true;
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	/* For writers that copy their payloads. */
	while (!try_to_leave(channel->module, channel))
		usleep(100);
	munmap(channel->data, 2 * (size_t)channel->module->options.ring_bytes);
	close(channel->event_fd);
	free(channel);
}

const struct channel_info *channel_info(const struct channel *channel)
{
	return &channel->info;
}

struct ring *channel_ring(struct channel *channel)
{
	return &channel->ring;
}

int channel_fd(const struct channel *channel)
{
	return channel->event_fd;
}

int channel_check_device(struct channel *channel)
{
	LOCK_SCOPE(&channel->module->lock);
	return gone(channel);
}

bool channel_has_settled(struct channel *channel)
{
	return true;
}

int channel_last_seq(struct channel *channel, uint64_t *ret_seq)
{
	LOCK_SCOPE(&channel->module->lock);
	*ret_seq = channel->seq;
	return gone(channel);
}

static void freeze_locked(struct module *module, struct channel_cut_part *part)
{
	part->cut.frozen_chunks = 0;
	for (uint64_t i = 0; i < module->nr_chunks; i++) {
		module->frozen[i] = part->kind == CHANNEL_CUT_FULL || module->dirty[i];
		part->cut.frozen_chunks += module->frozen[i];
	}
	memset(module->dirty, 0, module->nr_chunks);
	module->cut_is_open = true;
}

int channel_cut(struct channel_cut_part *parts, size_t nr_parts, const dev_t *freeze,
		size_t nr_freeze)
{
	struct channel *channel = parts[0].channel;
	struct module *module = channel->module;
	struct tidemark_record record = {.type = TIDEMARK_RECORD_CUT};

	if (nr_parts != 1 || parts[0].stream == CHANNEL_STREAM_NOT)
		die("a cut that is not imitated");
	LOCK_SCOPE(&module->lock);
	if (channel->gone)
		return gone(channel);
	if (module->cut_is_open)
		return failure_set(-EBUSY, "%s: a cut is open", module->name);
	freeze_locked(module, &parts[0]);
	module->cut_seq++;
	record.epoch = module->epoch;
	if (parts[0].stream == CHANNEL_STREAM_STARTS && !module->streams) {
		module->streams = true;
		module->start_cut_seq = module->cut_seq;
		module->start_epoch = module->epoch;
		record.flags = TIDEMARK_RECORD_STARTS;
		show_stream(channel, TIDEMARK_STREAM_ON);
	}
	if (module->streams && !append_locked(module, &record, NULL, 0))
		lose_locked(module);
	parts[0].cut.epoch = module->epoch++;
	parts[0].cut.time_ns = clock_ns(CLOCK_REALTIME);
	return 0;
}

int channel_read_frozen(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
			uint64_t *ret_words)
{
	struct module *module = channel->module;

	LOCK_SCOPE(&module->lock);
	if (channel->gone || !module->cut_is_open)
		return failure_set(channel->gone ? -ENODEV : -ENODATA, "%s: no cut", module->name);
	memset(ret_words, 0, (nr_chunks + 63) / 64 * 8);
	for (uint64_t i = 0; i < nr_chunks; i++)
		ret_words[i / 64] |= (uint64_t)module->frozen[first_chunk + i] << i % 64;
	return 0;
}

int channel_release(struct channel *channel, uint64_t epoch, uint64_t first_chunk,
		    uint32_t nr_chunks, uint64_t *ret_words)
{
	die("a fuzzy cut has nothing to release");
	return 0;
}

static int check_cut_locked(const struct channel *channel, uint64_t epoch)
{
	const struct module *module = channel->module;

	if (channel->gone)
		return gone(channel);
	if (!module->cut_is_open || epoch != module->epoch - 1)
		return failure_set(-ENODATA, "%s: no such cut", module->name);
	return 0;
}

static int prepare_commit(struct channel *channel, uint64_t epoch, uint8_t *leaves,
			  uint8_t *content)
{
	struct module *module = channel->module;
	uint64_t bytes = module->options.volume_bytes;
	int r;

	LOCK_SCOPE(&module->lock);
	r = check_cut_locked(channel, epoch);
	for (uint64_t i = 0; i < module->nr_chunks; i++)
		leaves[i] = module->frozen[i] && !module->dirty[i] && !module->landing[i];
	if (pread(module->fd, content, bytes, START_SECTOR * SECTOR) != (ssize_t)bytes)
		die("pread");
	return r;
}

static int commit(struct channel *channel, uint64_t epoch, const uint8_t *base)
{
	struct module *module = channel->module;
	int r;

	LOCK_SCOPE(&module->lock);
	r = check_cut_locked(channel, epoch);
	if (r < 0)
		return r;
	module->cut_is_open = false;
	if (module->streams && epoch == module->start_epoch)
		module->stands = true;
	memcpy(module->base, base, sizeof(module->base));
	return 0;
}

int channel_commit(struct channel *channel, uint64_t epoch,
		   const uint8_t base[ATTACHMENT_BASE_BYTES])
{
	struct module *module = channel->module;
	uint8_t *leaves = calloc(module->nr_chunks, 1);
	uint8_t *content = malloc(module->options.volume_bytes);
	struct module_commit told = {
		.base = base, .leaves = leaves, .content = content,
		.bytes = module->options.volume_bytes,
	};
	int r = prepare_commit(channel, epoch, leaves, content);

	if (r == 0 && module->options.committing)
		module->options.committing(module->options.context, &told);
	free(leaves);
	free(content);
	return r < 0 ? r : commit(channel, epoch, base);
}

int channel_abort(struct channel *channel, uint64_t epoch)
{
	int r;

	LOCK_SCOPE(&channel->module->lock);
	r = check_cut_locked(channel, epoch);
	if (r == 0)
		abort_locked(channel->module);
	return r;
}

/* ----------------------------------------------------------------------- device */

int device_find(const char *name_or_path, struct attachment *ret_attachment)
{
	if (!find_module(name_or_path))
		return failure_set(-ENOENT, "%s: no such device", name_or_path);
	*ret_attachment = (struct attachment){0};
	snprintf(ret_attachment->name, sizeof(ret_attachment->name), "%s", name_or_path);
	return 0;
}

int device_attach(const struct device_attach *request, struct attachment *ret_attachment)
{
	return failure_set(-ENOENT, "%s: no such device", request->path);
}

int device_allow_stream(const struct attachment *attachment)
{
	return 0;
}

int live_volume_open(struct live_volume *v, const char *name, const char *repository,
		     struct tmc_repo *repo, const struct block_tree *tree)
{
	int r = device_find(name, &v->attachment);

	if (r == 0)
		r = channel_open(&v->attachment, &v->channel);
	if (r < 0)
		return r;
	v->info = channel_info(v->channel);
	v->fd = dup(v->channel->module->fd);
	v->volume = (struct tmc_volume){.volume_bytes = v->info->volume_bytes};
	snprintf(v->volume.volume_id, sizeof(v->volume.volume_id), "%s", name);
	snprintf(v->volume.name, sizeof(v->volume.name), "%s", name);
	return 0;
}

void live_volume_close(struct live_volume *v)
{
	channel_close(v->channel);
	v->channel = NULL;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

/* ------------------------------------------------------------------------ faults */

void module_break(struct module *module, enum module_fault fault)
{
	struct tidemark_record nonsense = {.type = TIDEMARK_RECORD_FLUSH, .seq = 7};

	LOCK_SCOPE(&module->lock);
	if (!module->channel)
		return;
	if (fault == MODULE_NONSENSE && append_locked(module, &nonsense, NULL, 0))
		return;
	module->channel->gone = true;
	wake(module->channel);
}

void module_lose_stream(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	lose_locked(module);
}

void module_be_quiet(struct module *module, bool quiet)
{
	LOCK_SCOPE(&module->lock);
	if (!module->channel)
		return;
	module->channel->quiet = quiet;
	wake(module->channel);
}

/* ------------------------------------------------------------------------- state */

uint64_t module_dirty_chunks(struct module *module)
{
	uint64_t nr = 0;

	LOCK_SCOPE(&module->lock);
	for (uint64_t i = 0; i < module->nr_chunks; i++)
		nr += module->dirty[i] || (module->cut_is_open && module->frozen[i]);
	return nr;
}

bool module_is_dirty(struct module *module, uint64_t chunk)
{
	LOCK_SCOPE(&module->lock);
	return module->dirty[chunk] || (module->cut_is_open && module->frozen[chunk]);
}

uint64_t module_last_seq(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->channel ? module->channel->seq : 0;
}

bool module_is_streaming(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->streams;
}

bool module_stands(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->stands;
}

unsigned int module_nr_channels(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->nr_channels;
}

void module_get_base(struct module *module, uint8_t ret_base[MODULE_BASE_BYTES])
{
	LOCK_SCOPE(&module->lock);
	memcpy(ret_base, module->base, MODULE_BASE_BYTES);
}

void module_set_base(struct module *module, const uint8_t base[MODULE_BASE_BYTES])
{
	LOCK_SCOPE(&module->lock);
	memcpy(module->base, base, MODULE_BASE_BYTES);
	memset(module->dirty, 0, module->nr_chunks);
}

void module_resize(struct module *module, uint64_t volume_bytes)
{
	LOCK_SCOPE(&module->lock);
	size_up(module, volume_bytes);
}

void module_read(struct module *module, uint64_t sector, uint64_t nr_sectors, void *ret_data)
{
	ssize_t bytes = (ssize_t)(nr_sectors * SECTOR);

	if (pread(module->fd, ret_data, (size_t)bytes,
		  (off_t)((START_SECTOR + sector) * SECTOR)) != bytes)
		die("pread");
}
