// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Points from one repository into another of the same chunk size. The source's tree
 * is walked; chunks and nodes that the target has are passed over. Where neither
 * side is encrypted ids are the same in both and blobs go over as they are stored,
 * once their ids have proved them; else they are opened, named and sealed anew.
 *
 * A point is published in the target as a backup publishes one (docs/format.md,
 * invariants 3 to 5): a copy that is cut short leaves packs that nobody needs.
 */
#include "catalog/blob_read.h"
#include "catalog/blob_set.h"
#include "catalog/pack_writer.h"
#include "catalog/point.h"
#include "catalog/proof.h"
#include "catalog/repo.h"
#include "catalog/session.h"
#include "catalog/tree_memo.h"
#include "common/cleanup.h"
#include "common/failure.h"

#include <errno.h>

struct tmc_copy {
	struct tmc_repo *from, *to;
	bool plain; /* neither side is encrypted */
	bool writes; /* tmc_repo_begin_write() has been called for to */
	struct tmc_proof proof; /* of the source: leaves that are durable in the target */
	struct tmc_tree_memo nodes; /* the same above the leaves: what they are called there */
	struct tmc_node_reader *reader;
	struct tmc_blob_coder *from_coder, *to_coder;
	uint8_t *disk, *raw, *out; /* room for the largest blob of either side */
};

/* One point on its way. */
struct transfer {
	struct tmc_copy *copy;
	const struct tmc_tree *tree;
	struct tmc_id *ids; /* fan_out for each level */
	struct tmc_blob_set *blobs;
	struct tmc_pack_writer *packs;
	void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context;
	struct tmc_copy_result *result;
};

/* ----------------------------------------------------------------------- blobs */

static int append(struct transfer *transfer, const void *disk, struct tmc_entry *entry)
{
	uint64_t bytes = tmc_blob_disk_bytes(&entry->blob);
	int ret = tmc_pack_writer_append(transfer->packs, disk, bytes, entry, 1);

	if (ret < 0)
		return ret;
	tmc_blob_set_locate(transfer->blobs, entry, 1);
	transfer->result->copied_blobs++;
	transfer->result->copied_bytes += bytes;
	return 0;
}

/* Plain bytes under the target's name, unless it has them. */
static int store_plain(struct transfer *transfer, enum tmc_blob_type type, const void *raw,
		       uint32_t bytes, struct tmc_id *ret_id)
{
	struct tmc_copy *copy = transfer->copy;
	struct tmc_entry entry = { .blob = { .type = type, .raw_bytes = bytes } };
	int ret = tmc_hash_once(tmc_blob_coder_hash(copy->to_coder), raw, bytes, &entry.blob.id);

	*ret_id = entry.blob.id;
	if (!ret)
		ret = tmc_blob_set_claim(transfer->blobs, type, &entry.blob.id);
	if (ret <= 0)
		return ret;
	ret = tmc_blob_encode(copy->to_coder, &entry.blob, raw, copy->out);
	return ret ? ret : append(transfer, copy->out, &entry);
}

/* Reads the chunk at disk as it is stored, and proves it. */
static int read_chunk(struct transfer *transfer, uint64_t chunk, const struct tmc_id *id,
		      struct tmc_blob *ret_blob)
{
	struct tmc_copy *copy = transfer->copy;
	char text[TMC_STORE_TEXT];
	int ret = tmc_blob_read(copy->from, TMC_BLOB_CHUNK, id, copy->from_coder, copy->disk, copy->raw,
				ret_blob, text);

	if (ret < 0)
		return ret;
	if (ret_blob->raw_bytes != tmc_tree_chunk_bytes(transfer->tree, chunk))
		return failure_set(-EBADMSG, "%s is damaged: a chunk in it is of the wrong size", text);
	return 0;
}

static int copy_chunk(struct transfer *transfer, uint64_t chunk, struct tmc_id *id)
{
	struct tmc_copy *copy = transfer->copy;
	struct tmc_entry entry = { 0 };
	int ret;

	if (!copy->plain) {
		ret = read_chunk(transfer, chunk, id, &entry.blob);
		return ret ? ret : store_plain(transfer, TMC_BLOB_CHUNK, copy->raw,
					       entry.blob.raw_bytes, id);
	}
	ret = tmc_blob_set_claim(transfer->blobs, TMC_BLOB_CHUNK, id);
	if (ret <= 0)
		return ret;
	ret = read_chunk(transfer, chunk, id, &entry.blob);
	return ret ? ret : append(transfer, copy->disk, &entry);
}

/* ------------------------------------------------------------------------ tree */

static void note_progress(struct transfer *transfer, uint64_t end_chunk)
{
	uint64_t total = transfer->tree->volume_bytes;
	uint64_t done = end_chunk * transfer->tree->chunk_bytes;

	if (transfer->progress)
		transfer->progress(transfer->context, done < total ? done : total, total);
}

static int copy_node(struct transfer *transfer, uint32_t level, uint64_t node, struct tmc_id *id);

/* In: an id of the source; out: what it is in the target. */
static int copy_child(struct transfer *transfer, uint32_t level, uint64_t nth, struct tmc_id *id)
{
	if (tmc_id_is_special(id))
		return 0;
	return level ? copy_node(transfer, level - 1, nth, id) : copy_chunk(transfer, nth, id);
}

/* Whether this copy has brought a leaf. Elsewhere its name says nothing of the target. */
static bool is_leaf_there(const struct transfer *transfer, uint64_t node, const struct tmc_id *id,
			  struct tmc_location *location)
{
	const struct tmc_copy *copy = transfer->copy;
	const struct tmc_tree *tree = transfer->tree;

	location->number = copy->proof.nr_indexes; /* no bit */
	if (!copy->plain || (node + 1) * tree->fan_out >= tree->nr_chunks ||
	    tmc_index_set_find(copy->from->indexes, TMC_BLOB_NODE, id, location) < 0)
		return false;
	return tmc_proof_is_set(&copy->proof, location->number, location->position, TMC_PROOF_LEAF);
}

static int copy_below(struct transfer *transfer, uint32_t level, uint64_t node, struct tmc_id *id)
{
	struct tmc_copy *copy = transfer->copy;
	const struct tmc_tree *tree = transfer->tree;
	struct tmc_id *ids = transfer->ids + (size_t)level * tree->fan_out;
	uint64_t span = tmc_tree_span_chunks(tree, level) * tree->fan_out;
	uint32_t count = tmc_tree_node_count(tree, level, node);
	int ret = tmc_node_read(copy->reader, tree, level, node, id, ids);

	for (uint32_t i = 0; i < count && !ret; i++)
		ret = copy_child(transfer, level, node * tree->fan_out + i, &ids[i]);
	if (ret < 0)
		return ret;
	tmc_node_put(level, ids, count, copy->raw);
	ret = store_plain(transfer, TMC_BLOB_NODE, copy->raw, TMC_NODE_BYTES(count), id);
	note_progress(transfer, (node + 1) * span);
	return ret;
}

static int copy_leaf(struct transfer *transfer, uint64_t node, struct tmc_id *id)
{
	struct tmc_proof *proof = &transfer->copy->proof;
	struct tmc_location location;
	int ret;

	if (is_leaf_there(transfer, node, id, &location))
		return 0;
	ret = copy_below(transfer, 0, node, id);
	if (!ret)
		tmc_proof_set(proof, location.number, location.position, TMC_PROOF_LEAF);
	return ret;
}

static int copy_node(struct transfer *transfer, uint32_t level, uint64_t node, struct tmc_id *id)
{
	struct tmc_tree_memo *nodes = &transfer->copy->nodes;
	bool suits = tmc_tree_memo_suits(transfer->tree, level, node);
	const struct tmc_id old = *id;
	const struct tmc_id *known = suits ? tmc_tree_memo_find(nodes, level, &old, NULL) : NULL;
	int ret;

	if (!level)
		return copy_leaf(transfer, node, id);
	if (known) {
		*id = *known;
		return 0;
	}
	ret = copy_below(transfer, level, node, id);
	return ret || !suits ? ret : tmc_tree_memo_add(nodes, level, &old, NULL, id);
}

static int copy_tree(struct transfer *transfer, struct tmc_tree *ret_tree)
{
	int ret = 0;

	*ret_tree = *transfer->tree;
	if (ret_tree->nr_chunks)
		ret = copy_child(transfer, ret_tree->levels, 0, &ret_tree->root);
	return ret ? ret : tmc_blob_set_publish(transfer->blobs, transfer->packs);
}

/* ---------------------------------------------------------------------- points */

static bool is_same(const struct tmc_point *a, const struct tmc_point *b)
{
	return !a->moment.settles_seq && a->cut_time_ns == b->cut_time_ns &&
	       a->volume.volume_bytes == b->volume.volume_bytes &&
	       a->unreadable_chunks == b->unreadable_chunks && !strcmp(a->group, b->group) &&
	       !strcmp(a->volume.volume_id, b->volume.volume_id);
}

/* A copy that was repeated, or cut short between two points. */
static int find_copy(struct tmc_copy *copy, const struct tmc_point *point,
		     struct tmc_copy_result *result)
{
	CLEANUP_FREE struct tmc_point *points = NULL;
	size_t nr;
	int ret = tmc_point_list(copy->to, &points, &nr);

	if (ret < 0 && ret != -EBADMSG)
		return ret;
	for (size_t i = 0; i < nr; i++)
		if (is_same(&points[i], point)) {
			result->point = points[i];
			result->known = true;
		}
	return 0;
}

/* The journal stays where it is, and so does what counts only together with it. */
static int leave_journal(struct tmc_point *point)
{
	char digits[TMC_ID_TEXT];

	tmc_id_format(&point->id, digits);
	if (point->moment.settles_seq)
		return failure_set(-ENOENT, "restore point %.12s is only the beginning of a stretch "
				   "of the journal, which is not copied", digits);
	point->moment = (struct tmc_moment){ 0 };
	return 0;
}

static int copy_note(struct tmc_copy *copy, const struct tmc_point *from, const struct tmc_point *to)
{
	CLEANUP_FREE struct tmc_note *notes = NULL;
	const struct tmc_note *found;
	struct tmc_note note;
	size_t nr;
	int ret = tmc_note_list(copy->from, &notes, &nr);

	found = tmc_note_of(notes, nr, from);
	if (!found)
		return ret;
	note = *found;
	note.point = to->id;
	return tmc_note_put(copy->to, &note);
}

static int publish(struct transfer *transfer, const struct tmc_tree *tree, struct tmc_point *point)
{
	const struct tmc_point original = { .id = point->id };
	int ret;

	point->stored_bytes = tmc_pack_writer_bytes(transfer->packs);
	ret = tmc_point_store(transfer->copy->to, tree, point);
	if (!ret)
		ret = copy_note(transfer->copy, &original, point);
	return ret;
}

static int run(struct transfer *transfer, struct tmc_point *point)
{
	struct tmc_repo *to = transfer->copy->to;
	struct tmc_tree tree;
	int ret = transfer->ids ? 0 : failure_set(-ENOMEM, "out of memory");

	if (!ret)
		ret = tmc_index_set_refresh(to->indexes);
	if (!ret)
		ret = tmc_pack_writer_create(to->store, to->keys, &transfer->packs);
	if (ret < 0)
		return ret;
	transfer->blobs = tmc_blob_set_create(to->store, to->keys, to->indexes, TMC_BLOB_SET_SLOTS);
	if (!transfer->blobs)
		return failure_set(-ENOMEM, "out of memory");
	ret = copy_tree(transfer, &tree);
	return ret ? ret : publish(transfer, &tree, point);
}

/* What was marked as brought counts only once it is durable. */
static void forget_marks(struct tmc_copy *copy)
{
	tmc_proof_exit(&copy->proof);
	memset(&copy->proof, 0, sizeof(copy->proof));
	tmc_tree_memo_clear(&copy->nodes);
}

int tmc_copy_point(struct tmc_copy *copy, const struct tmc_point *point,
		   void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes),
		   void *context, struct tmc_copy_result *ret_result)
{
	struct transfer transfer = {
		.copy = copy, .progress = progress, .context = context, .result = ret_result,
	};
	struct tmc_point loaded;
	struct tmc_tree tree;
	int ret = tmc_point_load(copy->from, &point->id, &loaded, &tree);

	memset(ret_result, 0, sizeof(*ret_result));
	if (!ret)
		ret = leave_journal(&loaded);
	if (!ret)
		ret = find_copy(copy, &loaded, ret_result);
	if (ret < 0 || ret_result->known)
		return ret;
	transfer.tree = &tree;
	transfer.ids = malloc((size_t)tree.levels * tree.fan_out * sizeof(*transfer.ids));
	ret = run(&transfer, &loaded);
	if (ret < 0)
		forget_marks(copy);
	else
		ret_result->point = loaded;
	tmc_blob_set_destroy(transfer.blobs);
	tmc_pack_writer_destroy(transfer.packs);
	free(transfer.ids);
	return ret;
}

/* ------------------------------------------------------------------------ copy */

static void ignore(void *context)
{
}

static int check_repositories(const struct tmc_copy *copy)
{
	const struct tmc_limits *from = &copy->from->limits, *to = &copy->to->limits;

	if (tmc_id_equal(&copy->from->info.id, &copy->to->info.id))
		return failure_set(-EINVAL, "both are the same repository: name another one to copy "
				   "to");
	if (from->chunk_bytes != to->chunk_bytes || from->fan_out != to->fan_out)
		return failure_set(-EINVAL, "the repositories have chunks of %u and of %u bytes, and "
				   "points are never cut anew: copy to one that was made with "
				   "--chunk-size %u", from->chunk_bytes, to->chunk_bytes,
				   from->chunk_bytes);
	return 0;
}

static int create_parts(struct tmc_copy *copy)
{
	struct tmc_repo *from = copy->from, *to = copy->to;
	uint32_t bytes = tmc_limits_disk_bytes(from->limits.seal_bytes ? &from->limits : &to->limits);

	copy->plain = !tmc_keys_is_encrypted(from->keys) && !tmc_keys_is_encrypted(to->keys);
	copy->reader = tmc_node_reader_create(from);
	copy->from_coder = tmc_blob_coder_create(&from->limits, from->keys);
	copy->to_coder = tmc_blob_coder_create(&to->limits, to->keys);
	copy->disk = malloc(bytes);
	copy->raw = malloc(bytes);
	copy->out = malloc(bytes);
	return copy->reader && copy->from_coder && copy->to_coder && copy->disk && copy->raw &&
	       copy->out ? 0 : failure_set(-ENOMEM, "out of memory");
}

int tmc_copy_begin(struct tmc_repo *from, struct tmc_repo *to, struct tmc_copy **ret_copy)
{
	struct tmc_copy *copy = calloc(1, sizeof(*copy));
	int ret;

	if (!copy)
		return failure_set(-ENOMEM, "out of memory");
	copy->from = from;
	copy->to = to;
	copy->nodes.value_bytes = sizeof(struct tmc_id);
	ret = check_repositories(copy);
	if (!ret)
		ret = tmc_keys_check(from->keys);
	if (!ret)
		ret = tmc_keys_check(to->keys);
	if (!ret)
		tmc_repo_enter(from, "copy"); /* a reader may go on without */
	if (!ret)
		ret = tmc_repo_begin_write(to, "copy");
	copy->writes = !ret;
	if (!ret)
		tmc_session_break_dead(tmc_store_session(to->store));
	if (!ret)
		ret = create_parts(copy);
	if (!ret)
		ret = tmc_index_set_refresh(from->indexes);
	if (!ret)
		ret = tmc_proof_init(&copy->proof, from->indexes, ignore, NULL);
	if (ret < 0) {
		tmc_copy_end(copy);
		return ret;
	}
	*ret_copy = copy;
	return 0;
}

void tmc_copy_end(struct tmc_copy *copy)
{
	if (!copy)
		return;
	if (copy->writes)
		tmc_repo_end_write(copy->to);
	tmc_proof_exit(&copy->proof);
	tmc_tree_memo_clear(&copy->nodes);
	tmc_node_reader_destroy(copy->reader);
	tmc_blob_coder_destroy(copy->from_coder);
	tmc_blob_coder_destroy(copy->to_coder);
	free(copy->disk);
	free(copy->raw);
	free(copy->out);
	free(copy);
}
