// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The ring of the imitated module, and poll() of its descriptor.
 */
#include "imitated_inside.h"
#include "common/clock_ns.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void imitated_wake(const struct channel *channel)
{
	uint64_t one = 1;

	if (!channel->quiet && write(channel->event_fd, &one, sizeof(one)) < 0)
		imitated_die("eventfd");
}

void imitated_show_stream(struct channel *channel, uint32_t state)
{
	__atomic_store_n(&channel->producer.stream_last_seq, channel->seq, __ATOMIC_RELAXED);
	__atomic_store_n(&channel->producer.stream_state, state, __ATOMIC_RELEASE);
	imitated_wake(channel);
}

void imitated_lose_locked(struct module *module)
{
	if (!module->streams)
		return;
	module->streams = module->stands = false;
	imitated_show_stream(module->channel, TIDEMARK_STREAM_BEHIND);
}

static uint32_t record_bytes(uint32_t payload_bytes)
{
	uint32_t bytes = (uint32_t)sizeof(struct tidemark_record) + payload_bytes;

	return (bytes + TIDEMARK_RECORD_ALIGN - 1) / TIDEMARK_RECORD_ALIGN * TIDEMARK_RECORD_ALIGN;
}

uint8_t *imitated_reserve_locked(struct channel *channel, const struct tidemark_record *record,
				 uint32_t spare, uint64_t *ret_slot)
{
	struct tidemark_record header = *record;
	uint64_t ring_bytes = channel->module->options.ring_bytes;
	uint64_t consumed = __atomic_load_n(&channel->page.consumer.consumer_pos, __ATOMIC_ACQUIRE);
	uint8_t *at = channel->data + channel->reserved % ring_bytes;

	if (!header.record_bytes)
		header.record_bytes = record_bytes(header.payload_bytes);
	if (channel->reserved - consumed + header.record_bytes + spare > ring_bytes ||
	    channel->end_slot - channel->first_slot == IMITATED_NR_SLOTS)
		return NULL;
	header.time_ns = clock_ns(CLOCK_REALTIME_COARSE);
	header.seq += ++channel->seq;
	memcpy(at, &header, sizeof(header));
	channel->reserved += header.record_bytes;
	*ret_slot = channel->end_slot++;
	channel->slots[*ret_slot % IMITATED_NR_SLOTS] =
		(struct imitated_slot){.end = channel->reserved};
	return at + sizeof(header);
}

void imitated_publish_locked(struct channel *channel, uint64_t nth)
{
	channel->slots[nth % IMITATED_NR_SLOTS].complete = true;
	while (channel->first_slot < channel->end_slot &&
	       channel->slots[channel->first_slot % IMITATED_NR_SLOTS].complete)
		channel->published = channel->slots[channel->first_slot++ % IMITATED_NR_SLOTS].end;
	__atomic_store_n(&channel->producer.producer_pos, channel->published, __ATOMIC_RELEASE);
	imitated_wake(channel);
}

bool imitated_append_locked(struct module *module, const struct tidemark_record *record,
			    const void *payload, uint32_t spare)
{
	uint64_t slot;
	uint8_t *at = imitated_reserve_locked(module->channel, record, spare, &slot);

	if (!at)
		return false;
	if (record->payload_bytes)
		memcpy(at, payload, record->payload_bytes);
	imitated_publish_locked(module->channel, slot);
	return true;
}

void module_append(struct module *module, const struct tidemark_record *record, const void *payload)
{
	bool done = false;

	while (!done) {
		pthread_mutex_lock(&module->lock);
		done = imitated_append_locked(module, record, payload, 0);
		pthread_mutex_unlock(&module->lock);
		if (!done)
			usleep(200);
	}
}

/* ------------------------------------------------------------------------ poll */

static short events_of(struct channel *channel)
{
	uint64_t consumed, count;
	short events = 0;

	LOCK_SCOPE(&channel->module->lock);
	consumed = __atomic_load_n(&channel->page.consumer.consumer_pos, __ATOMIC_ACQUIRE);
	if (read(channel->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		imitated_die("eventfd");
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
	struct channel *channel = nr ? imitated_channel_of(fds[0].fd) : NULL;

	return channel ? poll_channel(channel, fds, nr, timeout_ms) :
			 plain_poll(fds, nr, timeout_ms);
}
