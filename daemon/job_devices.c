// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/job_devices.h"
#include "agent/volume_pin.h"
#include "common/failure.h"
#include "daemon/log.h"

#include <stdio.h>

static void say(void *context, const char *text)
{
	const struct job_volume *volume = context;

	log_say(LOG_PRIORITY_INFO, volume->name, "%s", text);
}

static struct known_volume volume_of(struct job_volume *volume)
{
	return (struct known_volume){
		.name = volume->name, .device = volume->device, .say = say, .context = volume,
	};
}

/* refused_id is there already. */
static int note(struct job_devices *devices, const struct job_volume *volume, int r)
{
	devices->state = known_volume_device_of(r);
	devices->volume = volume->name;
	if (r < 0)
		snprintf(devices->reason, sizeof(devices->reason), "%s", failure_text());
	return r;
}

int job_devices_look(const struct job_settings *settings, struct job_devices *ret_devices)
{
	int all = 1;

	*ret_devices = (struct job_devices){0};
	for (size_t i = 0; i < settings->nr_volumes; i++) {
		struct known_volume volume = volume_of(&settings->volumes[i]);
		struct attachment attachment;
		int r = known_volume_look(&volume, &attachment, ret_devices->refused_id);

		if (r < 0)
			return note(ret_devices, &settings->volumes[i], r);
		all = all && r;
	}
	return all;
}

int job_devices_attach(const struct job_settings *settings, uint64_t chunk_bytes,
		       struct attachment *ret_attachments, struct job_devices *ret_devices)
{
	int r = 0;

	*ret_devices = (struct job_devices){0};
	for (size_t i = 0; i < settings->nr_volumes && r == 0; i++) {
		struct known_volume volume = volume_of(&settings->volumes[i]);

		r = known_volume_attach(&volume, chunk_bytes, &ret_attachments[i],
					ret_devices->refused_id);
		if (r < 0)
			note(ret_devices, &settings->volumes[i], r);
	}
	return r;
}

int job_devices_accept(const struct job_devices *devices)
{
	return volume_pin_write(devices->volume, devices->refused_id);
}
