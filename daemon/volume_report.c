// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Of a time 0 means that there is none; of whatever else is not known the member is null, for
 * there 0 would be an answer.
 */
#include "daemon/volume_report.h"
#include "cli/json.h"

#include <string.h>

#define NS_PER_MS 1000000u

static void add_ms(struct json_object *object, const char *name, uint64_t ns)
{
	json_add_number(object, name, ns / NS_PER_MS);
}

static void add_if(struct json_object *object, const char *name, bool is_known, uint64_t number)
{
	if (is_known)
		json_add_number(object, name, number);
	else
		json_object_object_add(object, name, NULL);
}

static void add_state(struct json_object *object, const struct protection_status *status)
{
	json_add_text(object, "state", protection_state_name(status->state));
	add_ms(object, "state_since_ms", status->state_ns);
	json_add_text(object, "reason", status->reason);
	add_ms(object, "failing_since_ms", status->failing_ns);
	add_ms(object, "protected_since_ms", status->since_ns);
	json_add_number(object, "scan_bytes", status->scan_bytes);
	json_add_number(object, "scanned_bytes", status->scanned_bytes);
}

static void add_stream(struct json_object *object, const struct protection_settings *settings,
		       const struct protection_status *status)
{
	const struct recorder_status *recorder = &status->recorder;

	json_add_number(object, "seq", recorder->seq);
	json_add_number(object, "durable_seq", recorder->durable_seq);
	json_add_number(object, "streamed_bytes", recorder->nr_bytes);
	json_add_number(object, "rereads", recorder->nr_rereads);
	json_add_number(object, "gaps", status->nr_gaps);
	add_ms(object, "gap_ms", status->gap_ns);
	add_ms(object, "rpo_ms", settings->rpo_ns);
	add_if(object, "lag_ms", status->knows_lag, status->lag_ns / NS_PER_MS);
	add_ms(object, "durable_ms", status->durable_ns);
	add_if(object, "ring_bytes", status->ring_bytes, status->ring_bytes);
	add_if(object, "ring_waiting_bytes", status->ring_bytes, status->ring_waiting_bytes);
}

static void add_point(struct json_object *object, const struct protection_settings *settings,
		      const struct protection_status *status)
{
	static const struct tmc_id none;
	char id[TMC_ID_TEXT] = "";

	if (memcmp(&status->point, &none, sizeof(none)))
		tmc_id_format(&status->point, id);
	json_add_text(object, "point", id);
	add_ms(object, "point_ms", status->point_ns);
	add_ms(object, "point_checked_ms", status->point_checked_ns);
	add_ms(object, "points_every_ms", settings->points_ns);
}

static void add_device_state(struct json_object *object, const struct protection_status *status,
			     const struct attachment *attachment)
{
	const char *state = known_volume_device_name(status->device);

	if (!state && attachment)
		state = attachment->device_state;
	if (state)
		json_add_text(object, "device_state", state);
	else
		json_object_object_add(object, "device_state", NULL);
}

static void add_attachment(struct json_object *object, const struct attachment *attachment)
{
	bool counts_stalls = attachment && attachment->counts_stalls;

	add_if(object, "dirty_bytes", attachment,
	       attachment ? attachment_dirty_bytes(attachment) : 0);
	add_if(object, "stalls", counts_stalls, counts_stalls ? attachment->stalls : 0);
}

struct json_object *volume_report(const struct protection_settings *settings,
				  const struct protection_status *status,
				  const struct attachment *attachment)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "volume", settings->name);
	json_add_text(object, "device", settings->device);
	json_add_text(object, "attachment", status->attachment);
	json_add_text(object, "repository", settings->repository);
	json_add_text(object, "volume_id", status->volume_id);
	json_add_number(object, "volume_bytes", status->volume_bytes);
	add_state(object, status);
	add_stream(object, settings, status);
	add_point(object, settings, status);
	add_attachment(object, attachment);
	add_device_state(object, status, attachment);
	return object;
}
