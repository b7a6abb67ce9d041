/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What a volume's journal has, for people and for programs.
 */
#ifndef CLI_LOG_REPORT_H
#define CLI_LOG_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <tidemark.h>

struct log_mark {
	uint64_t stretch, seq, time_ns;
	char text[TMC_MARK_BYTES_MAX + 1];
};

/* What was written in a span of time. */
struct log_bucket {
	uint64_t writes, bytes, flushes;
};

struct log {
	struct tmc_volume volume;
	uint64_t since_ns, until_ns;
	struct tmc_interval *intervals;
	size_t nr_intervals;
	struct tmc_point *points; /* that have a moment */
	size_t nr_points;
	struct log_mark *marks;
	size_t nr_marks;
	uint64_t begin_ns, bucket_ns; /* of the first bucket; of each */
	struct log_bucket *buckets;
	size_t nr_buckets;
	struct log_bucket sum;
};

void log_report_text(const struct log *log);
void log_report_json(const struct log *log);

#endif
