// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Digested: the superblock, and the superblock of the journal where the journal is on this
 * volume. The journal is found by the copy of its inode's block map that the superblock has.
 *
 * Not clean means that it is mounted, or was not unmounted: then the next mount changes it
 * by itself, and what it holds now is not all there is.
 */
#include "agent/proof_ext4.h"
#include "common/failure.h"

#include <errno.h>
#include <openssl/evp.h>

#define NAME "tidemark proof ext4 1"

#define SUPER_OFFSET 1024u
#define SUPER_BYTES  1024u
#define SUPER_MAGIC  0xef53u

#define STATE_VALID 0x1u

#define COMPAT_HAS_JOURNAL       0x4u
#define INCOMPAT_RECOVER         0x4u
#define INCOMPAT_JOURNAL_DEVICE  0x8u /* this is the journal of another one */
#define RO_COMPAT_ORPHAN_PRESENT 0x10000u

#define JOURNAL_SUPER_BYTES  1024u
#define JOURNAL_MAGIC        0xc03b3998u
#define BACKUP_OF_BLOCK_MAP  1u
#define EXTENT_MAGIC         0xf30au
#define EXTENT_HEADER_BYTES  12u
#define EXTENT_DEPTH_MAX     5u

struct super {
	uint32_t block_bytes;
	uint16_t state;
	uint32_t compat, incompat, ro_compat;
	uint32_t last_orphan;
	uint32_t journal_inode;
	uint8_t backup_type;
	const uint8_t *journal_map; /* i_block of the journal's inode: 60 bytes */
};

bool proof_ext4_is(const uint8_t *head)
{
	return proof_le16(head + SUPER_OFFSET + 56) == SUPER_MAGIC;
}

static int parse(const uint8_t *raw, struct super *ret_super)
{
	uint32_t log = proof_le32(raw + 24);

	if (log > 6)
		return failure_set(-ENODATA, "its ext4 superblock makes no sense");
	*ret_super = (struct super){
		.block_bytes = 1024u << log,
		.state = proof_le16(raw + 58),
		.compat = proof_le32(raw + 92),
		.incompat = proof_le32(raw + 96),
		.ro_compat = proof_le32(raw + 100),
		.journal_inode = proof_le32(raw + 224),
		.last_orphan = proof_le32(raw + 232),
		.backup_type = raw[253],
		.journal_map = raw + 268,
	};
	return 0;
}

/* An orphan is put away by the next mount, a read-only one as well. */
static int check_clean(const struct super *super)
{
	if (super->incompat & INCOMPAT_JOURNAL_DEVICE)
		return failure_set(-ENODATA, "it is the journal of another file system");
	if (!(super->state & STATE_VALID) || super->incompat & INCOMPAT_RECOVER ||
	    super->ro_compat & RO_COMPAT_ORPHAN_PRESENT || super->last_orphan)
		return failure_set(-ENODATA, "its ext4 is mounted, or was not unmounted");
	return 0;
}

/* ------------------------------------------------------------------------ journal */

/* The first entry of an extent's node, 12 bytes: leaf and index have it in different order. */
static uint64_t first_child(const uint8_t *node, bool leaf)
{
	const uint8_t *entry = node + EXTENT_HEADER_BYTES;

	if (leaf)
		return (uint64_t)proof_le16(entry + 6) << 32 | proof_le32(entry + 8);
	return (uint64_t)proof_le16(entry + 8) << 32 | proof_le32(entry + 4);
}

static int follow_extents(struct proof_reader *reader, const struct super *super,
			  uint64_t *ret_block)
{
	const uint8_t *node = super->journal_map;
	unsigned int depth = proof_le16(node + 6);
	int r;

	for (unsigned int level = 0; level <= EXTENT_DEPTH_MAX; level++, depth--) {
		if (proof_le16(node) != EXTENT_MAGIC || !proof_le16(node + 2) ||
		    proof_le16(node + 6) != depth)
			break;
		*ret_block = first_child(node, depth == 0);
		if (depth == 0)
			return 0;
		r = proof_reader_read(reader, *ret_block * super->block_bytes,
				      EXTENT_HEADER_BYTES + 12, &node);
		if (r < 0)
			return r;
	}
	return failure_set(-ENODATA, "its ext4 journal is not where it should be");
}

static int find_journal(struct proof_reader *reader, const struct super *super,
			uint64_t *ret_block)
{
	if (super->backup_type != BACKUP_OF_BLOCK_MAP)
		return failure_set(-ENODATA, "its ext4 superblock does not say where the journal is");
	if (proof_le16(super->journal_map) == EXTENT_MAGIC)
		return follow_extents(reader, super, ret_block);
	*ret_block = proof_le32(super->journal_map);
	return 0;
}

/* s_start: where recovery would begin; 0: the journal is empty. */
static int digest_journal(struct proof_reader *reader, const struct super *super,
			  EVP_MD_CTX *context)
{
	const uint8_t *journal;
	uint64_t block = 0;
	int r = find_journal(reader, super, &block);

	if (r == 0)
		r = proof_reader_read(reader, block * super->block_bytes, JOURNAL_SUPER_BYTES,
				      &journal);
	if (r < 0)
		return r;
	if (proof_be32(journal) != JOURNAL_MAGIC)
		return failure_set(-ENODATA, "its ext4 journal is not where it should be");
	if (proof_be32(journal + 28))
		return failure_set(-ENODATA, "its ext4 is mounted, or was not unmounted");
	EVP_DigestUpdate(context, journal, JOURNAL_SUPER_BYTES);
	return 0;
}

/* A journal on another device is not seen; the superblock is enough by itself. */
static bool has_own_journal(const struct super *super)
{
	return super->compat & COMPAT_HAS_JOURNAL && super->journal_inode;
}

static int digest_all(struct proof_reader *reader, const uint8_t *raw, const struct super *super,
		      EVP_MD_CTX *context)
{
	EVP_DigestUpdate(context, NAME, sizeof(NAME));
	EVP_DigestUpdate(context, raw, SUPER_BYTES);
	return has_own_journal(super) ? digest_journal(reader, super, context) : 0;
}

int proof_ext4_read(struct proof_reader *reader, const uint8_t *head,
		    uint8_t ret_digest[PROOF_DIGEST_BYTES])
{
	const uint8_t *raw = head + SUPER_OFFSET;
	struct super super = {0};
	EVP_MD_CTX *context;
	int r = parse(raw, &super);

	if (r == 0)
		r = check_clean(&super);
	if (r < 0)
		return r;
	context = EVP_MD_CTX_new();
	if (!context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
		r = failure_set(-ENOMEM, "looking for a proof: out of memory");
	if (r == 0)
		r = digest_all(reader, raw, &super, context);
	if (r == 0)
		EVP_DigestFinal_ex(context, ret_digest, NULL);
	EVP_MD_CTX_free(context);
	return r;
}
