// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "daemon/metrics_table.h"

/* ---------------------------------------------------------------------- volumes */

static const struct metric_states volume_states[] = {
	{"tidemark_state", "state", "1 for the state that the volume is in, 0 for the others.",
	 {"starting", "scanning", "streaming", "waiting"}},
	{"tidemark_device_state", "device_state",
	 "1 for what has become of the attached device, 0 for what has not.",
	 {"ok", "grown", "short", "gone", "replaced"}},
	{0},
};

static const struct metric volume_metrics[] = {
	{"tidemark_volume_bytes", "gauge", "volume_bytes", METRIC_SOME, "Size of the volume."},
	{"tidemark_state_start_timestamp_seconds", "gauge", "state_since_ms", METRIC_TIME,
	 "Since when the volume is in its state."},
	{"tidemark_protected_since_timestamp_seconds", "gauge", "protected_since_ms", METRIC_TIME,
	 "Since when every instant is kept without a hole; missing while none is."},
	{"tidemark_failing_since_timestamp_seconds", "gauge", "failing_since_ms", METRIC_TIME,
	 "Since when protecting the volume fails; missing while it does not."},
	{"tidemark_rpo_seconds", "gauge", "rpo_ms", METRIC_MS,
	 "How soon a write is to be durable in the repository."},
	{"tidemark_lag_seconds", "gauge", "lag_ms", METRIC_MS,
	 "Age of the oldest write that may not be durable; 0 when all are."},
	{"tidemark_durable_timestamp_seconds", "gauge", "durable_ms", METRIC_TIME,
	 "Until when every instant is known to be durable."},
	{"tidemark_point_timestamp_seconds", "gauge", "point_ms", METRIC_TIME,
	 "Instant of the latest restore point."},
	{"tidemark_point_checked_timestamp_seconds", "gauge", "point_checked_ms", METRIC_TIME,
	 "When the latest restore point was made, or found to lack nothing."},
	{"tidemark_points_interval_seconds", "gauge", "points_every_ms", METRIC_MS,
	 "How often a restore point is to be made; 0 for never."},
	{"tidemark_dirty_bytes", "gauge", "dirty_bytes", METRIC_PLAIN,
	 "What the kernel module would have read again after a failure."},
	{"tidemark_ring_bytes", "gauge", "ring_bytes", METRIC_PLAIN,
	 "Size of the ring between the kernel module and tidemarkd."},
	{"tidemark_ring_used_bytes", "gauge", "ring_waiting_bytes", METRIC_PLAIN,
	 "What waits in the ring."},
	{"tidemark_scan_bytes", "gauge", "scan_bytes", METRIC_SOME,
	 "What the latest scan of the device has to read."},
	{"tidemark_scanned_bytes", "gauge", "scanned_bytes", METRIC_SOME,
	 "What the latest scan of the device has read."},
	{"tidemark_journal_records_total", "counter", "seq", METRIC_SOME,
	 "Number of the latest record of the volume's journal."},
	{"tidemark_journal_durable_records_total", "counter", "durable_seq", METRIC_SOME,
	 "Number of the latest record that is durable."},
	{"tidemark_streamed_bytes_total", "counter", "streamed_bytes", METRIC_PLAIN,
	 "Content of the writes that were kept."},
	{"tidemark_rereads_total", "counter", "rereads", METRIC_PLAIN,
	 "Ranges that were read again because a write failed, or was in flight at the start."},
	{"tidemark_gaps_total", "counter", "gaps", METRIC_PLAIN,
	 "Times that the stream was interrupted because the ring was full."},
	{"tidemark_stalls_total", "counter", "stalls", METRIC_PLAIN,
	 "Writes that had to wait for room in the ring, since the volume was attached."},
	{0},
};

/* ------------------------------------------------------------------------- jobs */

static const struct metric_states job_states[] = {
	{"tidemark_job_state", "state", "1 for the state that the job is in, 0 for the others.",
	 {"waiting", "running", "failed", "paused", "away"}},
	{0},
};

static const struct metric job_metrics[] = {
	{"tidemark_job_failures", "gauge", "failures", METRIC_PLAIN,
	 "Runs that failed since the last one that succeeded."},
	{"tidemark_job_success_timestamp_seconds", "gauge", "succeeded_ms", METRIC_TIME,
	 "End of the last run that succeeded."},
	{"tidemark_job_start_timestamp_seconds", "gauge", "started_ms", METRIC_TIME,
	 "Beginning of the run that is under way."},
	{"tidemark_job_due_timestamp_seconds", "gauge", "due_ms", METRIC_TIME,
	 "When the next run is due."},
	{0},
};

/* -------------------------------------------------------------------------- all */

const struct metric_subject metric_subjects[] = {
	{"volumes", "volume", "tidemark_volume_info", "What the volume is and where it is kept.",
	 {"device", "repository", "volume_id"}, volume_states, volume_metrics},
	{"jobs", "job", "tidemark_job_info", "What the job does, where and when.",
	 {"does", "repository", "schedule"}, job_states, job_metrics},
	{0},
};
