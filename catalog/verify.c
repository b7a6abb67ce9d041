// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Three passes. Packs: every byte of each pack is compared with its hash once, or
 * as much as the level asks for, and each good blob is noted at the index entries
 * that name it. Indexes: each is
 * compared with its name. Points: each tree is walked and has to end at noted
 * entries; a subtree that points share is walked once. For a single point a walk
 * goes before, to collect the packs that it needs.
 *
 * Objects are listed in the order point, index, pack, so that whatever a writer
 * adds meanwhile is either seen with all that it needs or not at all.
 */
#include "catalog/generation.h"
#include "catalog/index.h"
#include "catalog/index_check.h"
#include "catalog/note.h"
#include "catalog/pack_check.h"
#include "catalog/point.h"
#include "catalog/proof.h"
#include "catalog/reach.h"
#include "catalog/repo.h"
#include "catalog/tree_check.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/lock_scope.h"
#include "common/threads.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>

#define WORKERS_MAX 16

struct verify {
	struct tmc_repo *repo;
	const struct tmc_check_options *options;
	struct tmc_proof proof;
	struct tmc_tree_check trees;
	bool whole; /* every object, not just what a point needs */

	struct tmc_id *packs; /* to check; constant while workers run, as the next three */
	uint64_t *pack_bytes; /* by number; 0: missing */
	bool *every_byte;     /* by number */
	size_t nr_packs;
	atomic_size_t next_pack;
	atomic_bool out_of_memory;

	pthread_mutex_t lock; /* all below, and calls of the options' callbacks */
	uint64_t done_bytes, total_bytes;
	struct tmc_verify_result result;
};

static void report(struct verify *verify, const char *text)
{
	LOCK_SCOPE(&verify->lock);
	if (verify->options->damage)
		verify->options->damage(verify->options->context, text);
}

static void note(struct verify *verify, const char *text)
{
	LOCK_SCOPE(&verify->lock);
	if (verify->options->note)
		verify->options->note(verify->options->context, text);
}

/* An object, or a part of one, that failure_text() describes. */
static void note_damage(void *context)
{
	struct verify *verify = context;

	report(verify, failure_text());
	LOCK_SCOPE(&verify->lock);
	verify->result.damaged_objects++;
}

static void note_pack_damage(void *context, int error)
{
	note_damage(context);
}

static void note_progress(void *context, uint64_t done_bytes, uint64_t read_bytes)
{
	const struct tmc_check_options *options;
	struct verify *verify = context;

	LOCK_SCOPE(&verify->lock);
	options = verify->options;
	verify->done_bytes += done_bytes;
	verify->result.read_bytes += read_bytes;
	if (options->progress)
		options->progress(options->context, verify->done_bytes, verify->total_bytes);
}

static void note_good(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct verify *verify = context;

	tmc_proof_add_blob(&verify->proof, pack, entry);
}

/* ----------------------------------------------------------------------- packs */

static void *pack_thread(void *context)
{
	struct verify *verify = context;
	const struct tmc_pack_check_ops ops = {
		.good = note_good,
		.damage = note_pack_damage,
		.progress = note_progress,
		.context = verify,
	};
	struct tmc_pack_checker *checker = tmc_pack_checker_create(verify->repo, &ops);
	size_t nth;

	if (!checker) {
		verify->out_of_memory = true;
		return NULL;
	}
	while ((nth = atomic_fetch_add(&verify->next_pack, 1)) < verify->nr_packs)
		tmc_pack_check(checker, &verify->packs[nth],
			       verify->every_byte[nth] ? TMC_PACK_EVERY_BYTE : TMC_PACK_STRUCTURE);
	tmc_pack_checker_destroy(checker);
	return NULL;
}

static int check_packs(struct verify *verify, unsigned int nr_workers)
{
	struct threads *threads;
	int ret = threads_start(nr_workers, WORKERS_MAX, pack_thread, verify, &threads);

	if (ret < 0)
		return failure_set(ret, "cannot start to read: %s", strerror(-ret));
	threads_join(threads);
	return verify->out_of_memory ? failure_set(-ENOMEM, "out of memory") : 0;
}

static bool is_listed(const struct verify *verify, const struct tmc_id *pack)
{
	size_t low = 0, high = verify->nr_packs;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(&verify->packs[middle], pack, sizeof(*pack));

		if (!order)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Packs that an index names and nobody has are checked too: that reports them. */
static int list_packs(struct verify *verify)
{
	const struct tmc_proof *proof = &verify->proof;
	size_t nr_missing = 0;
	void *packs;
	int ret = 0;

	if (verify->whole)
		ret = tmc_store_list(verify->repo->store, TMC_STORE_PACK, &verify->packs,
				     &verify->nr_packs);
	if (ret < 0)
		return ret;
	packs = realloc(verify->packs, (verify->nr_packs + proof->nr_mentions + 1) *
				       sizeof(*verify->packs));
	if (!packs)
		return failure_set(-ENOMEM, "out of memory");
	verify->packs = packs;
	for (size_t i = 0; i < proof->nr_mentions; i++) {
		const struct tmc_pack_mention *mention = &proof->mentions[i];

		if (i && tmc_id_equal(&mention->pack, &mention[-1].pack))
			continue;
		if (verify->whole ? !is_listed(verify, &mention->pack) : mention->needed)
			verify->packs[verify->nr_packs + nr_missing++] = mention->pack;
	}
	verify->nr_packs += nr_missing;
	return 0;
}

static int sum_up(struct verify *verify)
{
	verify->pack_bytes = calloc(verify->nr_packs + 1, sizeof(*verify->pack_bytes));
	verify->every_byte = calloc(verify->nr_packs + 1, sizeof(*verify->every_byte));
	if (!verify->pack_bytes || !verify->every_byte)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < verify->nr_packs; i++) {
		CLEANUP_CLOSE int fd = -1;

		if (!tmc_store_get(verify->repo->store, TMC_STORE_PACK, &verify->packs[i], &fd,
				   &verify->pack_bytes[i]))
			verify->result.pack_bytes += verify->pack_bytes[i];
		verify->every_byte[i] = verify->options->level == TMC_CHECK_EVERY_BYTE;
	}
	verify->result.packs = verify->nr_packs;
	verify->total_bytes = verify->result.pack_bytes;
	for (size_t n = 0; verify->whole && n < verify->proof.nr_indexes; n++)
		verify->total_bytes +=
			tmc_index_bytes(tmc_index_set_get(verify->repo->indexes, n));
	return 0;
}

/* A generator that everybody can repeat from the seed (Vigna's splitmix64). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int draw_seed(uint64_t *ret_seed)
{
	uint32_t seed;

	do {
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			return failure_set(-EIO, "the kernel gives no random numbers");
	} while (!seed);
	*ret_seed = seed;
	return 0;
}

/* Packs in an order that the seed gives, until there are enough bytes of them. */
static int choose_sample(struct verify *verify)
{
	const struct tmc_check_options *options = verify->options;
	uint64_t wanted = options->sample_bytes, chosen = 0, state = options->seed;
	CLEANUP_FREE size_t *order = malloc((verify->nr_packs + 1) * sizeof(*order));
	int ret = state ? 0 : draw_seed(&state);

	if (!order)
		return failure_set(-ENOMEM, "out of memory");
	if (ret < 0)
		return ret;
	verify->result.seed = state;
	if (options->sample_ppm)
		wanted = (uint64_t)((unsigned __int128)verify->result.pack_bytes *
				    options->sample_ppm / 1000000u);
	for (size_t i = 0; i < verify->nr_packs; i++)
		order[i] = i;
	for (size_t i = 0; i < verify->nr_packs && chosen < wanted; i++) {
		size_t other = i + next_random(&state) % (verify->nr_packs - i);
		size_t nth = order[other];

		order[other] = order[i];
		verify->every_byte[nth] = true;
		verify->result.sampled_packs += verify->pack_bytes[nth] != 0;
		chosen += verify->pack_bytes[nth];
	}
	return 0;
}

/* What no index knows may be adopted or pruned; it is whole, and harmless. */
static void note_orphans(struct verify *verify)
{
	char text[TMC_STORE_TEXT];

	for (size_t i = 0; i < verify->nr_packs; i++) {
		if (tmc_proof_mentions(&verify->proof, &verify->packs[i]))
			continue;
		verify->result.orphan_packs++;
		verify->result.orphan_bytes += verify->pack_bytes[i];
	}
	if (!verify->result.orphan_packs)
		return;
	snprintf(text, sizeof(text), "%llu packs, %llu bytes, are in no index: a backup that was cut "
		 "short left them, or an index is lost", (unsigned long long)verify->result.orphan_packs,
		 (unsigned long long)verify->result.orphan_bytes);
	note(verify, text);
}

/* --------------------------------------------------------------------- indexes */

/* An entry whose pack is damaged has been reported with the pack. */
static int check_indexes(struct verify *verify)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(verify->repo->store, TMC_STORE_INDEX, &ids, &nr);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		uint64_t bytes = 0;

		ret = tmc_index_check(verify->repo->store, verify->repo->keys, &ids[i], &bytes);
		note_progress(verify, bytes, bytes);
		if (ret == -ENOMEM)
			return ret;
		if (ret < 0)
			note_damage(verify);
	}
	return 0;
}

/* ---------------------------------------------------------------------- points */

static void lose_point(struct verify *verify, const char *text)
{
	report(verify, text);
	verify->result.damaged_points++;
}

static int check_point(struct verify *verify, const struct tmc_id *id)
{
	char digits[TMC_ID_TEXT], text[TMC_STORE_TEXT];
	struct tmc_tree_loss loss;
	struct tmc_point point;
	struct tmc_tree tree;
	int ret = tmc_point_load(verify->repo, id, &point, &tree);

	tmc_id_format(id, digits);
	verify->result.points++;
	if (ret == -ENOMEM)
		return ret;
	if (ret < 0) {
		note_damage(verify);
		snprintf(text, sizeof(text), "restore point %s is lost: it cannot be read", digits);
		lose_point(verify, text);
		return 0;
	}
	ret = tmc_tree_check(&verify->trees, &tree, &loss);
	if (ret < 0 || !loss.nr)
		return ret;
	snprintf(text, sizeof(text), "restore point %s of volume \"%s\" is damaged: %llu of its "
		 "%llu chunks are lost, the first at byte %llu", digits, point.volume.name,
		 (unsigned long long)loss.nr, (unsigned long long)tree.nr_chunks,
		 (unsigned long long)(loss.first * tree.chunk_bytes));
	lose_point(verify, text);
	return 0;
}

/* --------------------------------------------------------------------- records */

static int load_record(struct tmc_repo *repo, enum tmc_store_kind kind, const struct tmc_id *id)
{
	struct tmc_doom doom;
	struct tmc_note note;
	uint64_t generation;
	int ret;

	if (kind == TMC_STORE_NOTE)
		return tmc_note_load(repo, id, &note);
	if (kind == TMC_STORE_LEDGER)
		return tmc_ledger_load(repo, id, &generation);
	ret = tmc_doom_load(repo->store, repo->keys, id, &doom);
	if (!ret)
		tmc_doom_clear(&doom);
	return ret;
}

static int check_records_of(struct verify *verify, enum tmc_store_kind kind)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr;
	int ret = tmc_store_list(verify->repo->store, kind, &ids, &nr);

	for (size_t i = 0; i < nr && !ret; i++) {
		ret = load_record(verify->repo, kind, &ids[i]);
		if (ret < 0 && ret != -ENOENT && ret != -ENOMEM)
			note_damage(verify);
		if (ret != -ENOMEM)
			ret = 0;
	}
	return ret;
}

/* Small objects that no content depends on. */
static int check_records(struct verify *verify)
{
	static const enum tmc_store_kind kinds[] = {
		TMC_STORE_DOOM, TMC_STORE_LEDGER, TMC_STORE_NOTE,
	};
	int ret = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && !ret; i++)
		ret = check_records_of(verify, kinds[i]);
	return ret;
}

/* ---------------------------------------------------------------------- verify */

/* What is damaged on the way is found again, and told, when the point is checked. */
static int collect_packs(struct verify *verify, const struct tmc_point *point)
{
	const struct tmc_reach reach = { .repo = verify->repo, .proof = &verify->proof };
	struct tmc_point loaded;
	struct tmc_tree tree;
	int ret = tmc_point_load(verify->repo, &point->id, &loaded, &tree);

	if (!ret)
		ret = tmc_reach_tree(&reach, &tree);
	return ret == -ENOMEM ? ret : 0;
}

static int check_packs_first(struct verify *verify)
{
	int ret = list_packs(verify);

	if (!ret)
		ret = sum_up(verify);
	if (!ret && verify->options->level == TMC_CHECK_SAMPLE)
		ret = choose_sample(verify);
	if (!ret && verify->whole)
		note_orphans(verify);
	return ret ? ret : check_packs(verify, verify->options->nr_workers);
}

static int run(struct verify *verify, const struct tmc_point *point)
{
	CLEANUP_FREE struct tmc_id *ids = NULL;
	size_t nr = 0;
	int ret = 0;

	if (!point)
		ret = tmc_store_list(verify->repo->store, TMC_STORE_POINT, &ids, &nr);
	if (!ret)
		ret = tmc_index_set_refresh(verify->repo->indexes);
	if (!ret)
		ret = tmc_proof_init(&verify->proof, verify->repo->indexes, note_damage, verify);
	if (!ret && point)
		ret = collect_packs(verify, point);
	if (!ret)
		ret = check_packs_first(verify);
	if (!ret && verify->whole)
		ret = check_indexes(verify);
	if (!ret && verify->whole)
		ret = check_records(verify);
	if (!ret && point)
		ret = check_point(verify, &point->id);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = check_point(verify, &ids[i]);
	return ret;
}

static int check_options(const struct tmc_check_options *options)
{
	if (options->level != TMC_CHECK_SAMPLE ||
	    (!options->sample_bytes != !options->sample_ppm && options->sample_ppm <= 1000000u))
		return 0;
	return failure_set(-EINVAL, "a sample has a size in bytes, or up to 1000000 parts per million");
}

int tmc_check(struct tmc_repo *repo, const struct tmc_check_options *options,
	      struct tmc_verify_result *ret_result)
{
	struct verify verify = { .repo = repo, .options = options, .whole = !options->point };
	int ret = check_options(options);

	pthread_mutex_init(&verify.lock, NULL);
	tmc_tree_check_init(&verify.trees, repo, &verify.proof);
	tmc_repo_enter(repo, "verify");
	if (!ret)
		ret = run(&verify, options->point);
	tmc_tree_check_exit(&verify.trees);
	tmc_proof_exit(&verify.proof);
	free(verify.packs);
	free(verify.pack_bytes);
	free(verify.every_byte);
	pthread_mutex_destroy(&verify.lock);
	*ret_result = verify.result;
	if (ret < 0)
		return ret;
	if (verify.result.damaged_objects || verify.result.damaged_points)
		return failure_set(-EBADMSG, "the repository is damaged: %llu objects, %llu of %llu "
				   "restore points",
				   (unsigned long long)verify.result.damaged_objects,
				   (unsigned long long)verify.result.damaged_points,
				   (unsigned long long)verify.result.points);
	return 0;
}

int tmc_verify(struct tmc_repo *repo, const struct tmc_point *point, unsigned int nr_workers,
	       void (*damage)(void *context, const char *text),
	       void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes),
	       void *context, struct tmc_verify_result *ret_result)
{
	const struct tmc_check_options options = {
		.point = point,
		.nr_workers = nr_workers,
		.damage = damage,
		.progress = progress,
		.context = context,
	};

	return tmc_check(repo, &options, ret_result);
}
