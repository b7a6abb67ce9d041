/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A segment of the journal, open to be read. Its table has been proved by its name,
 * each payload is when it is read.
 */
#ifndef CATALOG_SEGMENT_H
#define CATALOG_SEGMENT_H

#include "catalog/format.h"
#include "tidemark.h"

struct tmc_repo;
struct tmc_segment_reader; /**< used by one thread at a time */

/** The stretch and the last seq that a name tells of. */
uint64_t tmc_segment_id_stretch(const struct tmc_id *id);
uint64_t tmc_segment_id_seq(const struct tmc_id *id);

/**
 * What a segment's tail says, which is believed to search and not to read by; -EBADMSG where
 * it is damaged. ret_volume_id, which proves the whole table, may be NULL.
 */
int tmc_segment_look(struct tmc_repo *repo, const struct tmc_id *id,
		     struct tmc_segment *ret_segment, char ret_volume_id[TMC_TEXT_BYTES]);

/**
 * Can a stretch of the volume go on with record next_seq behind this segment? Proves its
 * table. Errors: -ENOENT, -EBADMSG, -ESTALE (no: it is another volume's or stretch's, ends
 * elsewhere, or another one follows).
 */
int tmc_segment_check_end(struct tmc_repo *repo, const char *volume_id, uint64_t stretch,
			  uint64_t next_seq, const struct tmc_id *id);

/** Errors: -ENOENT, -EBADMSG, -ENOKEY. */
int tmc_segment_open(struct tmc_repo *repo, const struct tmc_id *id,
		     struct tmc_segment_reader **ret_reader);
void tmc_segment_close(struct tmc_segment_reader *reader);

const struct tmc_segment *tmc_segment_info(const struct tmc_segment_reader *reader);
const char *tmc_segment_volume_id(const struct tmc_segment_reader *reader);
uint32_t tmc_segment_nr_records(const struct tmc_segment_reader *reader);

/** Record n, from 0; payload is NULL, payload_bytes what tmc_segment_payload would give. */
void tmc_segment_record(const struct tmc_segment_reader *reader, uint32_t n,
			struct tmc_record *ret_record);

/** Its payload, proved and decoded: payload_bytes at ret_payload. Errors: -EBADMSG. */
int tmc_segment_payload(struct tmc_segment_reader *reader, uint32_t n, void *ret_payload);

/**
 * Prove a segment: its table, and every payload where that is asked for. ret_segment: what it
 * says of itself once that is proved, whatever its payloads are; its stretch is 0 before.
 * Errors: -ENOENT, -EBADMSG.
 */
int tmc_segment_check(struct tmc_repo *repo, const struct tmc_id *id, bool every_byte,
		      struct tmc_segment *ret_segment);

#endif
