// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The ioctls of the contract. Closing the channel ends everything that it
 * began, so no error path here has more to do than that.
 */
#include "agent/channel.h"
#include "agent/handover.h"
#include "agent/kernel_module.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <uapi/tidemark.h>

#define NODE "/dev/" TIDEMARK_DEVICE_NAME

_Static_assert(CHANNEL_CUT_VOLUMES_MAX == TIDEMARK_CUT_VOLUMES_MAX, "volumes of the contract");
_Static_assert(ATTACHMENT_BASE_BYTES == TIDEMARK_BASE_BYTES, "base of the contract");

struct channel {
	int fd;
	char name[ATTACHMENT_NAME_BYTES];
	struct channel_info info;
	size_t page_bytes;
	size_t data_bytes; /* of the mapping: twice the ring */
	void *consumer;
	void *producer;
	void *data;
	struct ring ring;
};

static struct tidemark_devno devno(dev_t device)
{
	return (struct tidemark_devno){.major = major(device), .minor = minor(device)};
}

static void unmap(void *address, size_t bytes)
{
	if (address && address != MAP_FAILED)
		munmap(address, bytes);
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	unmap(channel->consumer, channel->page_bytes);
	unmap(channel->producer, channel->page_bytes);
	unmap(channel->data, channel->data_bytes);
	if (channel->fd >= 0)
		close(channel->fd);
	free(channel);
}

static void cleanup_channel(struct channel **channel)
{
	channel_close(*channel);
}

static int open_node(const struct attachment *attachment)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EPERM || errno == EACCES)
		return failure_set(-EPERM, NODE ": permission denied; run tidemark as root");
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return failure_set(-ENOPKG, NODE ": the module's node is missing (%s); is "
				   "dm-tidemark loaded and /dev a devtmpfs?", strerror(errno));
	return failure_set(-errno, NODE ": cannot be opened for %s: %s", attachment->name,
			   strerror(errno));
}

static int bind_failure(int error, const struct attachment *attachment, uint32_t abi)
{
	switch (error) {
	case EBUSY:
		return failure_set(-EBUSY, "%s: another agent has it: a backup that is running, or "
				   "tidemarkd, which makes points of it by itself", attachment->name);
	case EPROTONOSUPPORT:
		return failure_set(-ENOPKG,
				   "%s: the module speaks version %" PRIu32 ", this tidemark "
				   "version %d; install matching ones",
				   attachment->name, abi, TIDEMARK_ABI_VERSION);
	case EPERM:
		return failure_set(-EPERM,
				   "%s: permission denied; CAP_SYS_ADMIN in the initial user "
				   "namespace is needed",
				   attachment->name);
	case ENXIO:
	case ENODEV:
		return failure_set(-ENODEV, "%s: was detached meanwhile", attachment->name);
	default:
		return failure_set(-error, "%s: cannot bind to the module: %s", attachment->name,
				   strerror(error));
	}
}

/* What the module says of it. */
static int take_info(struct channel *channel, const struct tidemark_info *info, uint32_t ring_bytes)
{
	static const uint8_t no_base[TIDEMARK_BASE_BYTES];

	channel->info = (struct channel_info){
		.volume_bytes = info->volume_bytes,
		.start_sector = info->start_sector,
		.nr_chunks = info->nr_chunks,
		.chunk_bytes = info->chunk_bytes,
		.ring_bytes = ring_bytes,
		.live = makedev(info->live.major, info->live.minor),
		.has_base = memcmp(info->base, no_base, sizeof(no_base)) != 0,
	};
	memcpy(channel->info.base, info->base, sizeof(channel->info.base));
	if (info->chunk_bytes < TIDEMARK_CHUNK_BYTES_MIN ||
	    info->chunk_bytes > TIDEMARK_CHUNK_BYTES_MAX ||
	    (info->chunk_bytes & (info->chunk_bytes - 1)) ||
	    info->nr_chunks !=
		    (info->volume_bytes + info->chunk_bytes - 1) / info->chunk_bytes ||
	    ring_bytes < TIDEMARK_RING_BYTES_MIN || ring_bytes > TIDEMARK_RING_BYTES_MAX ||
	    (ring_bytes & (ring_bytes - 1)))
		return failure_set(-EPROTO,
				   "%s: what the module says of it makes no sense; this is "
				   "a bug, please report it", channel->name);
	return 0;
}

static int bind_channel(struct channel *channel, const struct attachment *attachment)
{
	struct tidemark_bind bind = {
		.abi = TIDEMARK_ABI_VERSION,
		.mapped = devno(attachment->mapped),
	};

	if (ioctl(channel->fd, TIDEMARK_IOC_BIND, &bind) < 0)
		return bind_failure(errno, attachment, bind.abi);
	return take_info(channel, &bind.info, bind.ring_bytes);
}

static int map_failure(const struct channel *channel)
{
	return failure_set(-errno, "%s: cannot map the module's ring: %s", channel->name,
			   strerror(errno));
}

static int map_consumer(struct channel *channel)
{
	channel->consumer = mmap(NULL, channel->page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				 channel->fd, 0);
	return channel->consumer == MAP_FAILED ? map_failure(channel) : 0;
}

/* The module refuses any other size than the ring's. */
static int map_ring(struct channel *channel)
{
	uint32_t ring_bytes = channel->info.ring_bytes;
	size_t page = channel->page_bytes;

	channel->data_bytes = 2 * (size_t)ring_bytes;
	channel->producer = mmap(NULL, page, PROT_READ, MAP_SHARED, channel->fd, (off_t)page);
	channel->data = mmap(NULL, channel->data_bytes, PROT_READ, MAP_SHARED, channel->fd,
			     (off_t)(2 * page));
	if (channel->producer == MAP_FAILED || channel->data == MAP_FAILED)
		return map_failure(channel);
	ring_init(&channel->ring, channel->consumer, channel->producer, channel->data, ring_bytes);
	return 0;
}

static struct channel *create(const struct attachment *attachment)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->fd = -1;
	channel->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	snprintf(channel->name, sizeof(channel->name), "%s", attachment->name);
	return channel;
}

int channel_open(const struct attachment *attachment, struct channel **ret_channel)
{
	CLEANUP(cleanup_channel) struct channel *channel = create(attachment);
	int r;

	if (!channel)
		return failure_set(-ENOMEM, "%s: out of memory", attachment->name);
	r = channel->fd = open_node(attachment);
	if (r >= 0)
		r = bind_channel(channel, attachment);
	if (r >= 0)
		r = map_consumer(channel);
	if (r >= 0)
		r = map_ring(channel);
	if (r < 0)
		return r;
	*ret_channel = channel;
	channel = NULL;
	return 0;
}

/* ---------------------------------------------------------------------- take over */

/* Whoever keeps descriptors can mistake one for another. */
static int check_node(const struct channel *channel)
{
	struct stat node, st;

	if (stat(NODE, &node) < 0 || fstat(channel->fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != node.st_rdev)
		return failure_set(-ESTALE, "%s: what was kept is no channel", channel->name);
	return 0;
}

/* There is one attachment of a range. */
static int check_attachment(const struct channel *channel, const struct attachment *attachment)
{
	const struct channel_info *info = &channel->info;

	if (info->live != attachment->live || info->start_sector != attachment->start_sector ||
	    info->volume_bytes != attachment->nr_sectors * TIDEMARK_SECTOR_BYTES)
		return failure_set(-ESTALE, "%s: what was kept is the channel of another "
				   "attachment", channel->name);
	return 0;
}

/* Only the agent knows how large its ring is. */
static int take_bound(struct channel *channel, const struct attachment *attachment)
{
	struct tidemark_info info;
	struct handover handover;
	int r;

	if (ioctl(channel->fd, TIDEMARK_IOC_INFO, &info) < 0)
		return failure_set(-errno, "%s: the attachment of before is gone", channel->name);
	r = map_consumer(channel);
	if (r == 0)
		r = handover_claim(channel->consumer);
	if (r == 0)
		r = handover_read(channel->consumer, &handover);
	if (r == 0)
		r = take_info(channel, &info, handover.ring_bytes);
	return r == 0 ? check_attachment(channel, attachment) : r;
}

int channel_take_over(const struct attachment *attachment, int fd, struct channel **ret_channel)
{
	CLEANUP(cleanup_channel) struct channel *channel = create(attachment);
	int r;

	if (!channel) {
		close(fd);
		return failure_set(-ENOMEM, "%s: out of memory", attachment->name);
	}
	channel->fd = fd;
	r = check_node(channel);
	if (r == 0)
		r = take_bound(channel, attachment);
	if (r == 0)
		r = map_ring(channel);
	if (r < 0)
		return r;
	*ret_channel = channel;
	channel = NULL;
	return 0;
}

/* -------------------------------------------------------------------------- calls */

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
	return channel->consumer;
}

int channel_fd(const struct channel *channel)
{
	return channel->fd;
}

static int call_failure(const struct channel *channel, const char *what)
{
	int error = errno;

	if (error == ENODEV)
		return failure_set(-ENODEV, "%s: was detached while it was backed up",
				   channel->name);
	if (error == ESTALE)
		return failure_set(-ESTALE, "%s: the module has given the cut up", channel->name);
	return failure_set(-error, "%s: %s: %s", channel->name, what, strerror(error));
}

static uint32_t cut_flags(const struct channel_cut_part *part)
{
	uint32_t flags = part->kind == CHANNEL_CUT_FULL ? TIDEMARK_CUT_FULL : 0;

	if (part->stream != CHANNEL_STREAM_NOT)
		flags |= TIDEMARK_CUT_FUZZY;
	if (part->stream == CHANNEL_STREAM_STARTS)
		flags |= TIDEMARK_CUT_STREAM;
	return flags;
}

static int cut_failure(const struct channel_cut_part *parts, size_t nr_parts)
{
	const char *name = nr_parts == 1 ? parts[0].channel->name : "one of the volumes";

	if (errno == EBUSY)
		return failure_set(-EBUSY, "%s: a file system on it is frozen by someone else; thaw "
				   "it (fsfreeze -u) or use --no-freeze", name);
	if (errno == ENODEV)
		return failure_set(-ENODEV, "%s: was detached meanwhile", name);
	if (errno == EINPROGRESS)
		return failure_set(-EINPROGRESS, "%s: was attached just now, and writes of before "
				   "may still be on their way", name);
	return failure_set(-errno, "%s: cannot freeze and cut: %s", name, strerror(errno));
}

int channel_cut(struct channel_cut_part *parts, size_t nr_parts, const dev_t *freeze,
		size_t nr_freeze)
{
	struct tidemark_cut_volume volumes[CHANNEL_CUT_VOLUMES_MAX] = {0};
	struct tidemark_devno list[TIDEMARK_CUT_FREEZE_MAX];
	struct tidemark_cut cut = {
		.nr_volumes = (uint32_t)nr_parts,
		.nr_freeze = (uint32_t)nr_freeze,
		.volumes = (uintptr_t)volumes,
		.freeze = (uintptr_t)list,
	};

	if (nr_freeze > TIDEMARK_CUT_FREEZE_MAX)
		return failure_set(-E2BIG, "%s: %zu devices lie on what is backed up, at most %d can "
				   "be frozen at once; use --no-freeze", parts[0].channel->name,
				   nr_freeze, TIDEMARK_CUT_FREEZE_MAX);
	for (size_t i = 0; i < nr_freeze; i++)
		list[i] = devno(freeze[i]);
	for (size_t i = 0; i < nr_parts; i++) {
		volumes[i].channel_fd = parts[i].channel->fd;
		volumes[i].flags = cut_flags(&parts[i]);
	}
	if (ioctl(parts[0].channel->fd, TIDEMARK_IOC_CUT, &cut) < 0)
		return cut_failure(parts, nr_parts);
	for (size_t i = 0; i < nr_parts; i++)
		parts[i].cut = (struct channel_cut){
			.epoch = volumes[i].epoch,
			.frozen_chunks = volumes[i].frozen_chunks,
			.time_ns = cut.time_ns,
		};
	return 0;
}

enum channel_device channel_device_state(struct channel *channel)
{
	struct tidemark_info info;

	if (ioctl(channel->fd, TIDEMARK_IOC_INFO, &info) < 0)
		return CHANNEL_DEVICE_OK;
	switch (info.live_state) {
	case TIDEMARK_LIVE_GONE:
		return CHANNEL_DEVICE_GONE;
	case TIDEMARK_LIVE_SHORT:
		return CHANNEL_DEVICE_SHORT;
	case TIDEMARK_LIVE_GROWN:
		return CHANNEL_DEVICE_GROWN;
	default:
		return CHANNEL_DEVICE_OK;
	}
}

int channel_check_device(struct channel *channel)
{
	struct tidemark_info info;

	if (ioctl(channel->fd, TIDEMARK_IOC_INFO, &info) < 0)
		return call_failure(channel, "cannot ask for its state");
	switch (info.live_state) {
	case TIDEMARK_LIVE_GONE:
		return failure_set(-ENXIO, "%s: its device is gone; detach it", channel->name);
	case TIDEMARK_LIVE_SHORT:
		return failure_set(-ENXIO, "%s: its device has become shorter than what is "
				   "attached; detach it and attach it again", channel->name);
	default:
		return 0;
	}
}

bool channel_has_settled(struct channel *channel)
{
	struct tidemark_info info;

	return ioctl(channel->fd, TIDEMARK_IOC_INFO, &info) < 0 || info.settle_ms == 0;
}

int channel_last_seq(struct channel *channel, uint64_t *ret_seq)
{
	struct tidemark_info info;

	if (ioctl(channel->fd, TIDEMARK_IOC_INFO, &info) < 0)
		return call_failure(channel, "cannot ask for its state");
	*ret_seq = info.last_seq;
	return 0;
}

int channel_read_frozen(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
			uint64_t *ret_words)
{
	struct tidemark_read_frozen request = {
		.first_chunk = first_chunk,
		.nr_chunks = nr_chunks,
		.words = (uintptr_t)ret_words,
	};

	if (ioctl(channel->fd, TIDEMARK_IOC_READ_FROZEN, &request) < 0)
		return call_failure(channel, "cannot read the frozen set");
	return 0;
}

int channel_add_dirty(struct channel *channel, uint64_t first_chunk, uint64_t nr_chunks,
		      const uint64_t *words)
{
	struct tidemark_dirty request = {
		.first_chunk = first_chunk,
		.nr_chunks = nr_chunks,
		.words = (uintptr_t)words,
	};

	if (ioctl(channel->fd, TIDEMARK_IOC_DIRTY, &request) == 0)
		return 0;
	if (errno == ENOTTY)
		return failure_set(-ENOPKG, "%s: the module is older than this tidemark, and cannot "
				   "be told what was dirty", channel->name);
	return call_failure(channel, "cannot say what is dirty");
}

int channel_release(struct channel *channel, uint64_t epoch, uint64_t first_chunk,
		    uint32_t nr_chunks, uint64_t *ret_words)
{
	struct tidemark_release request = {
		.epoch = epoch,
		.first_chunk = first_chunk,
		.nr_chunks = nr_chunks,
		.words = (uintptr_t)ret_words,
	};

	if (ioctl(channel->fd, TIDEMARK_IOC_RELEASE, &request) < 0)
		return call_failure(channel, "cannot release chunks");
	return 0;
}

static int end_cut(struct channel *channel, struct tidemark_end *end)
{
	if (ioctl(channel->fd, TIDEMARK_IOC_END, end) < 0)
		return call_failure(channel, "cannot end the cut");
	return 0;
}

int channel_commit(struct channel *channel, uint64_t epoch,
		   const uint8_t base[ATTACHMENT_BASE_BYTES])
{
	struct tidemark_end end = {.epoch = epoch, .how = TIDEMARK_END_COMMIT};

	memcpy(end.base, base, sizeof(end.base));
	return end_cut(channel, &end);
}

int channel_abort(struct channel *channel, uint64_t epoch)
{
	struct tidemark_end end = {.epoch = epoch, .how = TIDEMARK_END_ABORT};

	return end_cut(channel, &end);
}

/* An open cut is of the epoch before the running one. */
int channel_abort_any(struct channel *channel)
{
	struct tidemark_info info;
	int r;

	if (ioctl(channel->fd, TIDEMARK_IOC_INFO, &info) < 0)
		return call_failure(channel, "cannot ask for its state");
	r = info.epoch > 1 ? channel_abort(channel, info.epoch - 1) : 0;
	return r == -ENODATA ? 0 : r;
}
