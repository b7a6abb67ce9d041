// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The device of a protected volume: attached before anything else, and looked at while it is
 * protected, for of one that nobody writes to nothing else tells that it is gone.
 */
#include "agent/protection.h"
#include "agent/volume_pin.h"
#include "common/bell.h"
#include "common/clock_ns.h"
#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY_NS 1000000000u
#define CLOSE_NAP_NS 20000000
#define CLOSE_NAPS   100u

static void say(void *context, const char *text)
{
	protection_say(context, PROTECTION_INFO, "%s", text);
}

static struct known_volume volume_of(struct protection *p)
{
	return (struct known_volume){
		.name = p->settings->name, .device = p->settings->device, .say = say, .context = p,
	};
}

static void note_device(struct protection *p, enum known_volume_device device,
			const char *refused_id)
{
	LOCK_SCOPE(&p->lock);
	p->status.device = device;
	snprintf(p->status.refused_id, sizeof(p->status.refused_id), "%s", refused_id);
}

int protection_find_device(struct protection *p)
{
	struct known_volume volume = volume_of(p);
	char refused_id[TMC_TEXT_BYTES];
	struct attachment attachment;
	int r = known_volume_look(&volume, &attachment, refused_id);

	if (r != -ENXIO)
		return 0; /* what else there is to say of it is said when it is attached */
	note_device(p, KNOWN_VOLUME_GONE, "");
	return r;
}

int protection_attach(struct protection *p, uint64_t chunk_bytes,
		      struct attachment *ret_attachment)
{
	struct timespec nap = {.tv_nsec = CLOSE_NAP_NS};
	struct known_volume volume = volume_of(p);
	char refused_id[TMC_TEXT_BYTES];
	int r = known_volume_attach(&volume, chunk_bytes, ret_attachment, refused_id);

	/* A copy of the channel may be what keeps it from being detached. */
	for (unsigned int i = 0; r == -EBUSY && i < CLOSE_NAPS; i++) {
		protection_drop_channel(p);
		nanosleep(&nap, NULL);
		r = known_volume_attach(&volume, chunk_bytes, ret_attachment, refused_id);
	}
	note_device(p, known_volume_device_of(r), refused_id);
	if (r == 0)
		snprintf(p->attachment, sizeof(p->attachment), "%s", ret_attachment->name);
	return r;
}

/* Somebody else's attachment goes on as far as it can. */
static int leave_if_useless(struct protection *p, enum channel_device state)
{
	struct known_volume volume = volume_of(p);

	if (state != CHANNEL_DEVICE_GONE && !known_volume_owns(&volume, p->attachment))
		return channel_check_device(p->live.channel);
	p->device_has_changed = true;
	return failure_set(-ENXIO, "%s: is gone, or has another size by now", p->settings->device);
}

int protection_look_at_device(struct protection *p)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	enum channel_device state;

	if (now_ns < p->next_look_ns)
		return 0;
	p->next_look_ns = now_ns + LOOK_EVERY_NS;
	state = channel_device_state(p->live.channel);
	return state == CHANNEL_DEVICE_OK ? 0 : leave_if_useless(p, state);
}

int protection_accept(struct protection *p)
{
	int r;

	LOCK_SCOPE(&p->lock);
	if (p->status.device != KNOWN_VOLUME_REPLACED)
		return failure_set(-ENOENT, "%s: no other volume is in its place that could be "
				   "accepted", p->settings->name);
	r = volume_pin_write(p->settings->name, p->status.refused_id);
	if (r == 0)
		bell_ring(p->retry_fd);
	return r;
}
