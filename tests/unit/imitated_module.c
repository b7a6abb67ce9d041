// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "imitated_inside.h"
#include "common/clock_ns.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;
static struct module *modules[IMITATED_NR_MODULES];

/* -------------------------------------------------------------------- lifetime */

void imitated_die(const char *what)
{
	fprintf(stderr, "imitated module: %s\n", what);
	abort();
}

static void size_up(struct module *module, uint64_t bytes)
{
	module->options.volume_bytes = bytes;
	module->device_bytes = bytes;
	module->nr_chunks = (bytes + module->options.chunk_bytes - 1) / module->options.chunk_bytes;
	free(module->dirty);
	free(module->frozen);
	free(module->landing);
	module->dirty = malloc(module->nr_chunks);
	module->frozen = calloc(module->nr_chunks, 1);
	module->landing = calloc(module->nr_chunks, sizeof(*module->landing));
	memset(module->dirty, 1, module->nr_chunks);
	memset(module->base, 0, sizeof(module->base));
	if (ftruncate(module->fd, (off_t)(IMITATED_START_SECTOR * IMITATED_SECTOR + bytes)) < 0)
		imitated_die("no memory for the volume");
}

struct module *module_create(const struct module_options *options)
{
	struct module *module = calloc(1, sizeof(*module));

	module->options = *options;
	snprintf(module->name, sizeof(module->name), "%s", options->name);
	snprintf(module->identity, sizeof(module->identity), "%s", options->name);
	module->attached = true;
	module->epoch = 1;
	module->fd = memfd_create("volume", MFD_CLOEXEC);
	pthread_mutex_init(&module->lock, NULL);
	size_up(module, options->volume_bytes);
	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < IMITATED_NR_MODULES; i++) {
		if (!modules[i]) {
			modules[i] = module;
			return module;
		}
	}
	imitated_die("too many volumes");
	return NULL;
}

void module_destroy(struct module *module)
{
	{
		LOCK_SCOPE(&modules_lock);
		for (size_t i = 0; i < IMITATED_NR_MODULES; i++)
			if (modules[i] == module)
				modules[i] = NULL;
	}
	if (module->channel)
		imitated_die("destroyed with a channel");
	close(module->fd);
	free(module->dirty);
	free(module->frozen);
	free(module->landing);
	free(module);
}

struct module *imitated_find(const char *name)
{
	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < IMITATED_NR_MODULES; i++)
		if (modules[i] && strcmp(modules[i]->name, name) == 0)
			return modules[i];
	return NULL;
}

size_t imitated_list(struct module *ret_modules[IMITATED_NR_MODULES])
{
	size_t nr = 0;

	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < IMITATED_NR_MODULES; i++)
		if (modules[i])
			ret_modules[nr++] = modules[i];
	return nr;
}

static struct channel *channel_with(struct module *module, int fd)
{
	LOCK_SCOPE(&module->lock);
	return module->channel && module->channel->event_fd == fd ? module->channel : NULL;
}

struct channel *imitated_channel_of(int fd)
{
	struct channel *channel = NULL;

	LOCK_SCOPE(&modules_lock);
	for (size_t i = 0; i < IMITATED_NR_MODULES && !channel; i++)
		channel = modules[i] ? channel_with(modules[i], fd) : NULL;
	return channel;
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
	uint64_t per_chunk = module->options.chunk_bytes / IMITATED_SECTOR;

	return w->nr_sectors ? (w->sector + w->nr_sectors - 1) / per_chunk + 1 : 0;
}

static void mark_dirty_locked(struct module *module, const struct write *w)
{
	uint64_t first = w->sector * IMITATED_SECTOR / module->options.chunk_bytes;

	for (uint64_t chunk = first; chunk < end_chunk(module, w); chunk++)
		module->dirty[chunk] = 1;
}

static void count_locked(struct module *module, const struct write *w, int change)
{
	uint64_t first = w->sector * IMITATED_SECTOR / module->options.chunk_bytes;

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
		record.payload_bytes = (uint32_t)(w->nr_sectors * IMITATED_SECTOR);
	{
		LOCK_SCOPE(&module->lock);
		mark_dirty_locked(module, w);
		record.epoch = module->epoch;
		if (module->streams && w->waits_since_ns && clock_ns(CLOCK_MONOTONIC) -
		    w->waits_since_ns > module->options.stall_ms * 1000000ull)
			imitated_lose_locked(module);
		channel = module->streams ? module->channel : NULL;
		/* Whoever comes later does not overtake. */
		if (channel && (w->waits_since_ns || !module->nr_waiting))
			at = imitated_reserve_locked(channel, &record, IMITATED_SPARE_BYTES, &slot);
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
	imitated_publish_locked(channel, slot);
	return true;
}

static void change_volume(struct module *module, const struct write *w)
{
	uint64_t bytes = w->nr_sectors * IMITATED_SECTOR;
	off_t at = (off_t)((IMITATED_START_SECTOR + w->sector) * IMITATED_SECTOR);
	uint8_t *zeroes = w->op == MODULE_ZEROES ? calloc(1, bytes) : NULL;
	const uint8_t *data = zeroes ? zeroes : w->data;

	if (w->op == MODULE_FAILING_WRITE)
		bytes = w->nr_sectors / 2 * IMITATED_SECTOR;
	if (data && pwrite(module->fd, data, bytes, at) != (ssize_t)bytes)
		imitated_die("pwrite");
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
	    !imitated_append_locked(module, &rescan, NULL, 0))
		imitated_lose_locked(module);
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

static int try_to_mark(struct module *module, const struct tidemark_record *record,
		       const char *text)
{
	LOCK_SCOPE(&module->lock);
	if (!module->streams)
		return -ENOTCONN;
	if (!imitated_append_locked(module, record, text, IMITATED_SPARE_BYTES))
		return -EAGAIN;
	return module->stands;
}

int module_mark(struct module *module, const char *text)
{
	struct tidemark_record record = {
		.type = TIDEMARK_RECORD_MARK, .payload_bytes = (uint32_t)strlen(text),
	};
	int r;

	while ((r = try_to_mark(module, &record, text)) == -EAGAIN)
		usleep(500);
	return r;
}

/* ------------------------------------------------------------------------ faults */

void module_break(struct module *module, enum module_fault fault)
{
	struct tidemark_record nonsense = {.type = TIDEMARK_RECORD_FLUSH, .seq = 7};

	LOCK_SCOPE(&module->lock);
	if (!module->channel)
		return;
	if (fault == MODULE_NONSENSE && imitated_append_locked(module, &nonsense, NULL, 0))
		return;
	module->channel->gone = true;
	imitated_wake(module->channel);
}

void module_lose_stream(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	imitated_lose_locked(module);
}

void module_lose_cuts(struct module *module, unsigned int nr)
{
	LOCK_SCOPE(&module->lock);
	module->nr_cuts_to_lose = nr;
}

void module_kill_after(struct module *module, unsigned int nr_calls)
{
	LOCK_SCOPE(&module->lock);
	module->kills = true;
	module->nr_calls_to_live = nr_calls;
}

void module_let_live(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	module->kills = false;
}

void module_be_old(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	module->is_old = true;
}

void module_be_quiet(struct module *module, bool quiet)
{
	LOCK_SCOPE(&module->lock);
	if (!module->channel)
		return;
	module->channel->quiet = quiet;
	imitated_wake(module->channel);
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

uint64_t module_nr_cuts(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->cut_seq;
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

void imitated_attach(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	size_up(module, module->device_bytes);
	module->device = CHANNEL_DEVICE_OK;
	module->attached = true;
}

void module_read(struct module *module, uint64_t sector, uint64_t nr_sectors, void *ret_data)
{
	ssize_t bytes = (ssize_t)(nr_sectors * IMITATED_SECTOR);

	if (pread(module->fd, ret_data, (size_t)bytes,
		  (off_t)((IMITATED_START_SECTOR + sector) * IMITATED_SECTOR)) != bytes)
		imitated_die("pread");
}
