// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 */
#include "forge.h"

#include "catalog/blob_set.h"
#include "catalog/pack_writer.h"
#include "catalog/point.h"
#include "catalog/reach.h"
#include "catalog/repo.h"

#define PATIENCE 60u /* seconds */

void forge_begin(struct forge *forge)
{
	struct tmc_repo *repo = forge->repo;

	forge->blobs = tmc_blob_set_create(repo->store, repo->keys, repo->indexes,
					   TMC_BLOB_SET_SLOTS);
	forge->coder = tmc_blob_coder_create(&repo->limits, repo->keys);
	assert_success(tmc_pack_writer_create(repo->store, repo->keys, &forge->packs));
}

void forge_commit(struct forge *forge)
{
	const struct tmc_id *packs;
	uint32_t nr;

	assert_success(tmc_pack_writer_finish(forge->packs));
	packs = tmc_pack_writer_packs(forge->packs, &nr);
	assert_success(tmc_blob_set_commit(forge->blobs, packs, nr));
	assert_success(tmc_store_sync_index(forge->repo->store));
	assert_success(tmc_index_set_refresh(forge->repo->indexes));
	tmc_blob_set_destroy(forge->blobs);
	tmc_pack_writer_destroy(forge->packs);
	tmc_blob_coder_destroy(forge->coder);
	forge->blobs = NULL;
}

int forge_setup(void **state)
{
	struct forge *forge = calloc(1, sizeof(*forge));

	if (fixture_setup((void **)&forge->fixture))
		return -1;
	forge->repo = make_repo(forge->fixture->path, FORGE_CHUNK);
	forge->seed = 1;
	forge_begin(forge);
	*state = forge;
	alarm(PATIENCE);
	return 0;
}

int forge_teardown(void **state)
{
	struct forge *forge = *state;

	alarm(0);
	tmc_repo_close(forge->repo);
	fixture_teardown((void **)&forge->fixture);
	free(forge);
	return 0;
}

static struct tmc_id put_blob(struct forge *forge, enum tmc_blob_type type, const void *raw,
			      uint32_t bytes)
{
	struct tmc_entry entry = { .blob = { .type = type, .raw_bytes = bytes } };
	uint8_t disk[sizeof(struct tmc_blob_header_disk) + FORGE_CHUNK + TMC_BLOB_SEAL_BYTES];

	assert_success(tmc_hash_once(tmc_blob_coder_hash(forge->coder), raw, bytes,
				     &entry.blob.id));
	if (tmc_blob_set_claim(forge->blobs, type, &entry.blob.id) <= 0)
		return entry.blob.id;
	assert_success(tmc_blob_encode(forge->coder, &entry.blob, raw, disk));
	assert_success(tmc_pack_writer_append(forge->packs, disk, tmc_blob_disk_bytes(&entry.blob),
					      &entry, 1));
	tmc_blob_set_locate(forge->blobs, &entry, 1);
	return entry.blob.id;
}

struct tmc_id forge_chunk(struct forge *forge, uint8_t content)
{
	uint8_t raw[FORGE_CHUNK];

	memset(raw, content, sizeof(raw));
	return put_blob(forge, TMC_BLOB_CHUNK, raw, sizeof(raw));
}

struct tmc_id forge_node(struct forge *forge, uint32_t level, const struct tmc_id *ids,
			      uint32_t count)
{
	uint8_t raw[TMC_NODE_BYTES(TMC_FAN_OUT)];

	tmc_node_put(level, ids, count, raw);
	return put_blob(forge, TMC_BLOB_NODE, raw, TMC_NODE_BYTES(count));
}

struct tmc_id forge_row(struct forge *forge, uint32_t level, const struct tmc_id *id,
			     uint32_t count, const struct tmc_id *last)
{
	struct tmc_id ids[TMC_FAN_OUT];

	for (uint32_t i = 0; i < count; i++)
		ids[i] = i + 1 < count ? *id : *last;
	return forge_node(forge, level, ids, count);
}

struct tmc_id forge_nowhere(uint8_t nth)
{
	return (struct tmc_id){ { nth, 1, 2, 3 } };
}

struct tmc_point forge_point(struct forge *forge, const struct tmc_tree *tree)
{
	struct tmc_point point = {
		.volume = { .volume_id = "hostile", .volume_bytes = tree->volume_bytes },
		.chunk_bytes = FORGE_CHUNK,
		.cut_time_ns = 1,
	};

	assert_success(tmc_point_store(forge->repo, tree, &point));
	return point;
}

static void ignore(void *context)
{
}

/* Chunks of the forge are good: all that is lost is nowhere. */
static void prove_all(void *context, const struct tmc_location *location)
{
	tmc_proof_set(context, location->number, location->position, TMC_PROOF_GOOD);
}

void forge_proof(struct forge *forge, const struct tmc_tree *tree, struct tmc_proof *proof)
{
	const struct tmc_reach reach = {
		.repo = forge->repo, .proof = proof, .blob = prove_all, .context = proof,
	};

	assert_success(tmc_proof_init(proof, forge->repo->indexes, ignore, NULL));
	tmc_reach_tree(&reach, tree);
}
