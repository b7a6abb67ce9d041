// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Which file system it is, by its magic alone: what is on a volume that has two of them
 * nobody knows, and what has none proves nothing. So does a file system in a container
 * (LVM, LUKS, a partition table), and one that lies on several devices.
 */
#include "agent/proof.h"
#include "agent/proof_ext4.h"
#include "agent/proof_xfs.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

/* Of all the kinds; too small a volume has none. */
static int find_kind(const uint8_t *head, enum proof_kind *ret_kind)
{
	bool ext4 = proof_ext4_is(head);
	bool xfs = proof_xfs_is(head);

	if (ext4 && xfs)
		return failure_set(-ENODATA, "there are traces of two file systems on it");
	if (!ext4 && !xfs)
		return failure_set(-ENODATA, "there is no file system on it that tells of its "
				   "mounts: ext4 and xfs do");
	*ret_kind = ext4 ? PROOF_EXT4 : PROOF_XFS;
	return 0;
}

static int read_with(struct proof_reader *reader, struct proof *proof)
{
	uint8_t head[PROOF_HEAD_BYTES];
	enum proof_kind kind = PROOF_NONE;
	const uint8_t *data;
	int r = proof_reader_read(reader, 0, sizeof(head), &data);

	if (r < 0)
		return r;
	memcpy(head, data, sizeof(head));
	r = find_kind(head, &kind);
	if (r == 0)
		r = kind == PROOF_EXT4 ? proof_ext4_read(reader, head, proof->digest) :
					 proof_xfs_read(reader, head, proof->digest);
	if (r == 0)
		proof->kind = kind;
	return r;
}

int proof_read(const struct proof_source *source, struct proof *ret_proof)
{
	CLEANUP(proof_reader_close) struct proof_reader reader = {0};
	struct proof proof = {.kind = PROOF_NONE};
	int r = proof_reader_open(source, &reader);

	*ret_proof = proof;
	if (r == 0)
		r = read_with(&reader, &proof);
	if (r == -ENODATA)
		return 0;
	if (r == 0)
		*ret_proof = proof;
	return r;
}

bool proof_equal(const struct proof *before, const struct proof *now)
{
	return before->kind != PROOF_NONE && before->kind == now->kind &&
	       memcmp(before->digest, now->digest, sizeof(now->digest)) == 0;
}
