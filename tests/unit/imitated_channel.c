// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The imitated module's side of agent/channel.h and agent/live_volume.h.
 */
#include "imitated_inside.h"
#include "agent/device.h"
#include "agent/live_volume.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static int gone(const struct channel *channel)
{
	return channel->gone ? failure_set(-ENODEV, "%s: was detached", channel->module->name) : 0;
}

/* The agent is dead from this call on, for all that the module can see. */
static int call_locked(struct channel *channel)
{
	struct module *module = channel->module;

	if (module->kills && module->nr_calls_to_live == 0)
		channel->gone = true;
	else if (module->kills)
		module->nr_calls_to_live--;
	return gone(channel);
}

static uint8_t *map_twice(size_t bytes)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *data = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || data == MAP_FAILED)
		imitated_die("no memory for the ring");
	for (size_t i = 0; i < 2; i++)
		if (mmap(data + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, 0) == MAP_FAILED)
			imitated_die("no mapping for the ring");
	close(fd);
	return data;
}

static void take_up_locked(struct channel *channel)
{
	static const uint8_t none[MODULE_BASE_BYTES];
	struct module *module = channel->module;

	channel->info = (struct channel_info){
		.volume_bytes = module->options.volume_bytes,
		.start_sector = IMITATED_START_SECTOR,
		.nr_chunks = module->nr_chunks,
		.chunk_bytes = module->options.chunk_bytes,
		.ring_bytes = module->options.ring_bytes,
		.has_base = memcmp(module->base, none, sizeof(none)) != 0,
	};
	memcpy(channel->info.base, module->base, sizeof(module->base));
	ring_init(&channel->ring, &channel->page.consumer, &channel->producer, channel->data,
		  module->options.ring_bytes);
	channel->is_open = true;
}

int channel_open(const struct attachment *attachment, struct channel **ret_channel)
{
	struct module *module = imitated_find(attachment->name);
	struct channel *channel = calloc(1, sizeof(*channel));
	size_t ring_bytes = module->options.ring_bytes;

	LOCK_SCOPE(&module->lock);
	if (module->channel)
		imitated_die("two channels");
	channel->module = module;
	channel->data = map_twice(ring_bytes);
	channel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	take_up_locked(channel);
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

/* False: there is another copy. */
static bool leave(struct channel *channel)
{
	LOCK_SCOPE(&channel->module->lock);
	channel->is_open = false;
	return !channel->is_kept;
}

static void destroy(struct channel *channel)
{
	/* For writers that copy their payloads. */
	while (!try_to_leave(channel->module, channel))
		usleep(100);
	munmap(channel->data, 2 * (size_t)channel->module->options.ring_bytes);
	close(channel->event_fd);
	free(channel);
}

void channel_close(struct channel *channel)
{
	if (channel && leave(channel))
		destroy(channel);
}

int channel_take_over(const struct attachment *attachment, int fd, struct channel **ret_channel)
{
	struct channel *channel = imitated_channel_of(fd);
	struct handover handover;
	int r;

	if (!channel) {
		close(fd);
		return failure_set(-ESTALE, "%s: no channel", attachment->name);
	}
	r = handover_claim(&channel->page);
	if (r == 0)
		r = handover_read(&channel->page, &handover);
	if (r == 0)
		r = gone(channel);
	if (r < 0)
		return r;
	LOCK_SCOPE(&channel->module->lock);
	take_up_locked(channel);
	*ret_channel = channel;
	return 0;
}

int module_keep_channel(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	if (!module->channel)
		return -1;
	module->channel->is_kept = true;
	return module->channel->event_fd;
}

/* The channel that nobody has any more; NULL: it is open, or not there. */
static struct channel *give_back(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	if (!module->channel)
		return NULL;
	module->channel->is_kept = false;
	return module->channel->is_open ? NULL : module->channel;
}

void module_give_channel_back(struct module *module)
{
	struct channel *channel = give_back(module);

	if (channel)
		destroy(channel);
}

struct handover_page *module_page(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->channel ? &module->channel->page : NULL;
}

const struct channel_info *channel_info(const struct channel *channel)
{
	return &channel->info;
}

struct ring *channel_ring(struct channel *channel)
{
	return &channel->ring;
}

struct handover_page *channel_handover(struct channel *channel)
{
	return &channel->page;
}

int channel_fd(const struct channel *channel)
{
	return channel->event_fd;
}

struct channel *module_channel(struct module *module)
{
	LOCK_SCOPE(&module->lock);
	return module->channel;
}

enum channel_device channel_device_state(struct channel *channel)
{
	LOCK_SCOPE(&channel->module->lock);
	return channel->module->device;
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

	if (nr_parts != 1)
		imitated_die("a cut that is not imitated");
	LOCK_SCOPE(&module->lock);
	if (call_locked(channel) < 0)
		return -ENODEV;
	if (module->cut_is_open)
		return failure_set(-EBUSY, "%s: a cut is open", module->name);
	freeze_locked(module, &parts[0]);
	module->cut_is_lost = module->nr_cuts_to_lose > 0;
	module->nr_cuts_to_lose -= module->cut_is_lost;
	module->cut_seq++;
	record.epoch = module->epoch;
	if (parts[0].stream == CHANNEL_STREAM_STARTS && !module->streams) {
		module->streams = true;
		module->start_cut_seq = module->cut_seq;
		module->start_epoch = module->epoch;
		record.flags = TIDEMARK_RECORD_STARTS;
		imitated_show_stream(channel, TIDEMARK_STREAM_ON);
	}
	if (module->streams && !imitated_append_locked(module, &record, NULL, 0))
		imitated_lose_locked(module);
	parts[0].cut.epoch = module->epoch++;
	parts[0].cut.time_ns = clock_ns(CLOCK_REALTIME);
	return 0;
}

int channel_read_frozen(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
			uint64_t *ret_words)
{
	struct module *module = channel->module;

	LOCK_SCOPE(&module->lock);
	if (call_locked(channel) < 0 || !module->cut_is_open)
		return failure_set(channel->gone ? -ENODEV : -ENODATA, "%s: no cut", module->name);
	memset(ret_words, 0, (nr_chunks + 63) / 64 * 8);
	for (uint64_t i = 0; i < nr_chunks; i++)
		ret_words[i / 64] |= (uint64_t)module->frozen[first_chunk + i] << i % 64;
	return 0;
}

int channel_add_dirty(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
		      const uint64_t *words)
{
	struct module *module = channel->module;

	LOCK_SCOPE(&module->lock);
	if (call_locked(channel) < 0)
		return -ENODEV;
	if (module->is_old)
		return failure_set(-ENOPKG, "%s: the module is older", module->name);
	if (first_chunk % 64 || first_chunk >= module->nr_chunks ||
	    nr_chunks > module->nr_chunks - first_chunk)
		imitated_die("chunks outside the volume");
	for (uint64_t i = 0; i < nr_chunks; i++)
		module->dirty[first_chunk + i] |= words[i / 64] >> i % 64 & 1;
	return 0;
}

int channel_release(struct channel *channel, uint64_t epoch, uint64_t first_chunk,
		    uint32_t nr_chunks, uint64_t *ret_words)
{
	int r = channel_read_frozen(channel, first_chunk, nr_chunks, ret_words);

	LOCK_SCOPE(&channel->module->lock);
	if (r == 0 && channel->module->cut_is_lost)
		return failure_set(-ESTALE, "%s: the cut is lost", channel->module->name);
	return r;
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
	r = call_locked(channel) < 0 ? -ENODEV : check_cut_locked(channel, epoch);
	for (uint64_t i = 0; i < module->nr_chunks; i++)
		leaves[i] = module->frozen[i] && !module->dirty[i] && !module->landing[i];
	if (pread(module->fd, content, bytes, IMITATED_START_SECTOR * IMITATED_SECTOR) !=
	    (ssize_t)bytes)
		imitated_die("pread");
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
	r = call_locked(channel) < 0 ? -ENODEV : check_cut_locked(channel, epoch);
	if (r == 0)
		abort_locked(channel->module);
	return r;
}

int channel_abort_any(struct channel *channel)
{
	LOCK_SCOPE(&channel->module->lock);
	abort_locked(channel->module);
	return gone(channel);
}

/* ------------------------------------------------------------------------- volume */

static int describe_live(struct live_volume *v, const char *name)
{
	v->info = channel_info(v->channel);
	v->fd = dup(v->channel->module->fd);
	v->volume = (struct tmc_volume){.volume_bytes = v->info->volume_bytes};
	snprintf(v->node, sizeof(v->node), "/dev/%s", name);
	snprintf(v->volume.volume_id, sizeof(v->volume.volume_id), "%s",
		 v->channel->module->identity);
	snprintf(v->volume.name, sizeof(v->volume.name), "%s", name);
	return 0;
}

int live_volume_open(struct live_volume *v, const char *name, const char *repository,
		     struct tmc_repo *repo, const struct block_tree *tree)
{
	int r = device_find(name, &v->attachment);

	if (r == 0)
		r = channel_open(&v->attachment, &v->channel);
	return r < 0 ? r : describe_live(v, name);
}

int live_volume_take_over(struct live_volume *v, int channel_fd, const char *name,
			  const char *repository, struct tmc_repo *repo,
			  const struct block_tree *tree)
{
	int r = device_find(name, &v->attachment);

	if (r == 0)
		r = channel_take_over(&v->attachment, channel_fd, &v->channel);
	return r < 0 ? r : describe_live(v, name);
}

void live_volume_close(struct live_volume *v)
{
	channel_close(v->channel);
	v->channel = NULL;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}
