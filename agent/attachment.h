/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What user space knows of an attachment: one mapped device whose table is one
 * "tidemark" target. Filled in from the target's table and status lines, which
 * can be read while another process has the attachment's channel.
 */
#ifndef AGENT_ATTACHMENT_H
#define AGENT_ATTACHMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ATTACHMENT_NAME_BYTES 128
#define ATTACHMENT_BASE_BYTES 32

struct attachment {
	char name[ATTACHMENT_NAME_BYTES];
	dev_t mapped;
	dev_t live;
	uint64_t start_sector; /* of the range on the live device */
	uint64_t nr_sectors;
	uint64_t chunk_sectors;
	char mode[16];
	char cut[16];
	char device_state[16]; /* "ok", "grown", "short", "gone" */
	uint64_t dirty_chunks;
	uint64_t nr_chunks;
	uint64_t epoch;
	bool has_base;
	uint8_t base[ATTACHMENT_BASE_BYTES];
	bool agent; /* some process has the channel */
	uint64_t preserved;
	uint64_t held;
	uint64_t lost;
	bool counts_stalls; /* false: an older module, which does not */
	uint64_t stalls;    /* writes that waited for room in the ring */
};

/**
 * params: what follows "<start> <length> tidemark" in a table:
 * "track <device> <start sector> ...". Errors: -EPROTO (not understood).
 */
int attachment_parse_table(struct attachment *attachment, const char *params);

/**
 * "track <cut> <chunk sectors> <dirty>/<total> <epoch> [<key> <value>]...", keys
 * that are not known are skipped. Errors: -EPROTO.
 */
int attachment_parse_status(struct attachment *attachment, const char *params);

/** What the next incremental backup reads at most. */
uint64_t attachment_dirty_bytes(const struct attachment *attachment);

#endif
