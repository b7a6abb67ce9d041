// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Digested: the superblock, where the log's head is, the header of the unmount record that
 * ends there, and the block in front of the head.
 *
 * The log is a ring of basic blocks of 512 bytes. Each begins with the number of the cycle in
 * which it was written: the head is where that number falls. A record's header begins with a
 * magic instead, and has the cycle behind it; so the first magic backwards from the head is
 * that of the last record. It has to be the unmount record, by the rule that a mount has for
 * it: one operation, with the flag, and the record ends at the head. Whatever does not fit
 * proves nothing.
 *
 * A mount that recovers (each one but norecovery) writes to the block in front of the head a
 * header of the cycle before, with the tail that the unmount record names. Where this is
 * there already, such a mount has been there and has written no record since: it may be there
 * still, or have ended in a power cut. Another one would change nothing: that proves nothing.
 */
#include "agent/proof_xfs.h"
#include "common/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>

#define NAME "tidemark proof xfs 1"

#define SUPER_BYTES      512u
#define SUPER_MAGIC      0x58465342u
#define VERSION_MASK     0xfu
#define VERSION_5        5u

#define BLOCK_BYTES      512u /* of the log, whatever the file system's are */
#define HEADER_MAGIC     0xfeedbabeu
#define HEADER_VERSION_2 2u
#define HEADER_DATA_BYTES 32768u /* of a record, that one block of header is for */
#define UNMOUNT_FLAG     0x20u
/* What ends with an unmount record is smaller: a stripe unit of the log and the headers. */
#define RECORD_BLOCKS_MAX 600u

struct xlog {
	struct proof_reader *reader;
	uint64_t offset; /* on the volume */
	uint64_t nr_blocks;
};

struct head {
	uint64_t block; /* the next record's */
	uint32_t cycle; /* of the last record */
	uint64_t tail;  /* that it names: cycle and block */
	uint8_t record[BLOCK_BYTES];
	uint8_t in_front[BLOCK_BYTES];
};

bool proof_xfs_is(const uint8_t *head)
{
	return proof_be32(head) == SUPER_MAGIC;
}

static int not_clean(void)
{
	return failure_set(-ENODATA, "its xfs is mounted, or was not unmounted");
}

/* ---------------------------------------------------------------------------- log */

static int find_log(const uint8_t *super, struct xlog *log)
{
	uint64_t block_bytes = proof_be32(super + 4);
	uint64_t start = get_be64(super + 48);
	uint64_t group_blocks = proof_be32(super + 84);
	uint64_t nr_blocks = proof_be32(super + 96);
	unsigned int group_bits = super[124];

	if ((proof_be16(super + 100) & VERSION_MASK) != VERSION_5)
		return failure_set(-ENODATA, "its xfs is older than version 5");
	if (!start)
		return failure_set(-ENODATA, "its xfs has its log on another device");
	if (block_bytes < BLOCK_BYTES || block_bytes > 65536 || block_bytes & (block_bytes - 1) ||
	    group_bits > 32 || start >> group_bits > UINT32_MAX || !nr_blocks)
		return failure_set(-ENODATA, "its xfs superblock makes no sense");
	start = (start >> group_bits) * group_blocks + (start & ((1ull << group_bits) - 1));
	if (start > UINT64_MAX / 65536)
		return failure_set(-ENODATA, "its xfs superblock makes no sense");
	log->offset = start * block_bytes;
	log->nr_blocks = nr_blocks * block_bytes / BLOCK_BYTES;
	return 0;
}

static int read_block(const struct xlog *log, uint64_t block, const uint8_t **ret_data)
{
	return proof_reader_read(log->reader, log->offset + block * BLOCK_BYTES, BLOCK_BYTES,
				 ret_data);
}

static int read_cycle(const struct xlog *log, uint64_t block, uint32_t *ret_cycle)
{
	const uint8_t *data;
	int r = read_block(log, block, &data);

	if (r == 0)
		*ret_cycle = proof_be32(data) == HEADER_MAGIC ? proof_be32(data + 4) :
								proof_be32(data);
	return r;
}

/*
 * The first block with another cycle than block 0. In a log whose blocks all have the same
 * cycle the head is at block 0, and begins the next cycle.
 */
static int find_head(const struct xlog *log, struct head *head)
{
	uint64_t low = 0; /* has the first cycle */
	uint64_t high = log->nr_blocks;
	uint32_t cycle;
	int r = read_cycle(log, 0, &head->cycle);

	while (r == 0 && high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		r = read_cycle(log, middle, &cycle);
		if (cycle == head->cycle)
			low = middle;
		else
			high = middle;
	}
	head->block = high % log->nr_blocks;
	return r;
}

/* Up to the first magic backwards. Where the head is at 0, that is at the log's end. */
static int find_record(const struct xlog *log, const struct head *head, uint64_t *ret_block)
{
	uint64_t end = head->block ? head->block : log->nr_blocks;
	uint64_t first = end > RECORD_BLOCKS_MAX ? end - RECORD_BLOCKS_MAX : 0;
	const uint8_t *data;
	int r = proof_reader_read(log->reader, log->offset + first * BLOCK_BYTES,
				  (end - first) * BLOCK_BYTES, &data);

	if (r < 0)
		return r;
	for (uint64_t block = end; block-- > first;) {
		if (proof_be32(data + (block - first) * BLOCK_BYTES) != HEADER_MAGIC)
			continue;
		*ret_block = block;
		return 0;
	}
	return not_clean();
}

static uint64_t header_blocks(const uint8_t *record)
{
	uint32_t bytes = proof_be32(record + 320);

	if (!(proof_be32(record + 8) & HEADER_VERSION_2) || bytes <= HEADER_DATA_BYTES)
		return 1;
	return (bytes - 1) / HEADER_DATA_BYTES + 1;
}

static bool is_at(const uint8_t *record, uint32_t cycle, uint64_t block)
{
	return proof_be32(record) == HEADER_MAGIC && proof_be32(record + 4) == cycle &&
	       get_be64(record + 16) == ((uint64_t)cycle << 32 | block);
}

/* Does the record end the log as an unmount does? */
static int check_unmount(const struct xlog *log, struct head *head, uint64_t block)
{
	const uint8_t *data;
	uint64_t blocks, end;
	int r = read_block(log, block, &data);

	if (r < 0)
		return r;
	memcpy(head->record, data, BLOCK_BYTES);
	blocks = header_blocks(head->record);
	end = block + blocks + (proof_be32(head->record + 12) + BLOCK_BYTES - 1) / BLOCK_BYTES;
	if (!is_at(head->record, head->cycle, block) || proof_be32(head->record + 40) != 1 ||
	    block + blocks >= log->nr_blocks || end > log->nr_blocks ||
	    end % log->nr_blocks != head->block)
		return not_clean();
	r = read_block(log, block + blocks, &data);
	if (r < 0)
		return r;
	head->tail = get_be64(head->record + 24);
	return data[9] & UNMOUNT_FLAG ? 0 : not_clean();
}

/* At the log's beginning the next record has the next cycle, and the block the last one. */
static int check_in_front(const struct xlog *log, struct head *head)
{
	uint32_t cycle = head->block ? head->cycle - 1 : head->cycle;
	const uint8_t *data;
	int r = read_block(log, head->block, &data);

	if (r < 0)
		return r;
	memcpy(head->in_front, data, BLOCK_BYTES);
	if (is_at(head->in_front, cycle, head->block) &&
	    get_be64(head->in_front + 24) == head->tail)
		return not_clean();
	return 0;
}

static int read_head(const struct xlog *log, struct head *head)
{
	uint64_t record = 0;
	int r = find_head(log, head);

	if (r == 0)
		r = find_record(log, head, &record);
	if (r == 0)
		r = check_unmount(log, head, record);
	return r == 0 ? check_in_front(log, head) : r;
}

/* ------------------------------------------------------------------------- digest */

static int digest(const uint8_t *super, const struct head *head,
		  uint8_t ret_digest[PROOF_DIGEST_BYTES])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint64_t block = htole64(head->block);
	int ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
		 EVP_DigestUpdate(context, NAME, sizeof(NAME)) &&
		 EVP_DigestUpdate(context, super, SUPER_BYTES) &&
		 EVP_DigestUpdate(context, &block, sizeof(block)) &&
		 EVP_DigestUpdate(context, head->record, BLOCK_BYTES) &&
		 EVP_DigestUpdate(context, head->in_front, BLOCK_BYTES) &&
		 EVP_DigestFinal_ex(context, ret_digest, NULL);

	EVP_MD_CTX_free(context);
	return ok ? 0 : failure_set(-ENOMEM, "looking for a proof: out of memory");
}

int proof_xfs_read(struct proof_reader *reader, const uint8_t *head,
		   uint8_t ret_digest[PROOF_DIGEST_BYTES])
{
	struct xlog log = {.reader = reader};
	struct head at = {0};
	int r = find_log(head, &log);

	if (r == 0)
		r = read_head(&log, &at);
	return r == 0 ? digest(head, &at, ret_digest) : r;
}
