// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The packs of a verification. A pack that is not there is no damage where a prune has
 * given it up: what was needed of it has another place, or a point will miss it.
 */
#include "catalog/verify.h"

#include "catalog/pack_check.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/io.h"
#include "common/threads.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define WORKERS_MAX 16

struct worker {
	struct tmc_verify *verify;
	const struct tmc_id *pack;
};

/* Of the indexes that were opened: one that is doomed or gone needs it no more. */
static bool is_named(struct tmc_verify *verify, const struct tmc_id *pack)
{
	const struct tmc_proof *proof = &verify->proof;
	const struct tmc_pack_mention *end = proof->mentions + proof->nr_mentions;
	const struct tmc_pack_mention *mention = tmc_proof_mentions(proof, pack);
	CLEANUP_FREE struct tmc_id *ids = NULL;
	struct tmc_id_list there = { 0 };

	if (tmc_store_list(verify->repo->store, TMC_STORE_INDEX, &ids, &there.nr) < 0)
		return true;
	there.ids = ids;
	for (; mention && mention < end && tmc_id_equal(&mention->pack, pack); mention++) {
		const struct tmc_id *index = tmc_index_id(tmc_index_set_get(proof->indexes,
									    mention->number));

		if (tmc_id_list_has(&there, index) &&
		    !tmc_verify_is_given_up(verify, TMC_STORE_INDEX, index))
			return true;
	}
	return false;
}

static bool was_swept(struct tmc_verify *verify, const struct tmc_id *pack)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t bytes;

	return tmc_store_get(verify->repo->store, TMC_STORE_PACK, pack, &fd, &bytes) == -ENOENT &&
	       (tmc_verify_is_given_up(verify, TMC_STORE_PACK, pack) || !is_named(verify, pack));
}

static void on_damage(void *context, int error)
{
	struct worker *worker = context;
	char text[1024];

	snprintf(text, sizeof(text), "%s", failure_text());
	if (!was_swept(worker->verify, worker->pack))
		tmc_verify_damage_text(worker->verify, text);
}

static void on_good(void *context, const struct tmc_id *pack, const struct tmc_entry *entry)
{
	struct worker *worker = context;

	tmc_proof_add_blob(&worker->verify->proof, pack, entry);
}

static void on_progress(void *context, uint64_t pack_bytes, uint64_t read_bytes)
{
	tmc_verify_progress(((struct worker *)context)->verify, pack_bytes, read_bytes);
}

static void *pack_thread(void *context)
{
	struct tmc_verify *verify = context;
	struct worker worker = { .verify = verify };
	const struct tmc_pack_check_ops ops = {
		.good = on_good,
		.damage = on_damage,
		.progress = on_progress,
		.context = &worker,
	};
	struct tmc_pack_checker *checker = tmc_pack_checker_create(verify->repo, &ops);
	size_t nth;

	if (!checker) {
		verify->out_of_memory = true;
		return NULL;
	}
	while ((nth = atomic_fetch_add(&verify->next_pack, 1)) < verify->nr_packs) {
		worker.pack = &verify->packs[nth];
		tmc_pack_check(checker, worker.pack,
			       verify->every_byte[nth] ? TMC_PACK_EVERY_BYTE : TMC_PACK_STRUCTURE);
	}
	tmc_pack_checker_destroy(checker);
	return NULL;
}

static int check_packs(struct tmc_verify *verify)
{
	struct threads *threads;
	int ret;

	verify->next_pack = 0;
	ret = threads_start(verify->options->nr_workers, WORKERS_MAX, pack_thread, verify, &threads);
	if (ret < 0)
		return failure_set(ret, "cannot start to read: %s", strerror(-ret));
	threads_join(threads);
	return verify->out_of_memory ? failure_set(-ENOMEM, "out of memory") : 0;
}

/* Whether a pack that an index names is to be checked now, though it may be nowhere. */
static bool is_wanted(const struct tmc_verify *verify, const struct tmc_id_list *listed,
		      const struct tmc_pack_mention *mention)
{
	return (verify->whole || mention->needed) && !tmc_id_list_has(listed, &mention->pack) &&
	       !tmc_id_list_has(&verify->checked, &mention->pack);
}

/* Packs that an index names and nobody has are checked too: that reports them. */
static int list_packs(struct tmc_verify *verify)
{
	const struct tmc_proof *proof = &verify->proof;
	struct tmc_id_list listed = { 0 };
	void *packs;
	int ret = 0;

	free(verify->packs);
	verify->packs = NULL;
	verify->nr_packs = 0;
	if (verify->whole && verify->is_first)
		ret = tmc_store_list(verify->repo->store, TMC_STORE_PACK, &verify->packs,
				     &verify->nr_packs);
	if (ret < 0)
		return ret;
	packs = realloc(verify->packs, (verify->nr_packs + proof->nr_mentions + 1) *
				       sizeof(*verify->packs));
	if (!packs)
		return failure_set(-ENOMEM, "out of memory");
	verify->packs = packs;
	listed = (struct tmc_id_list){ .ids = packs, .nr = verify->nr_packs };
	for (size_t i = 0; i < proof->nr_mentions; i++) {
		const struct tmc_pack_mention *mention = &proof->mentions[i];

		if (is_wanted(verify, &listed, mention) &&
		    !(i && tmc_id_equal(&mention->pack, &mention[-1].pack)))
			verify->packs[verify->nr_packs++] = mention->pack;
	}
	return 0;
}

static int sum_up(struct tmc_verify *verify)
{
	uint64_t bytes = 0;

	free(verify->pack_bytes);
	free(verify->every_byte);
	verify->pack_bytes = calloc(verify->nr_packs + 1, sizeof(*verify->pack_bytes));
	verify->every_byte = calloc(verify->nr_packs + 1, sizeof(*verify->every_byte));
	if (!verify->pack_bytes || !verify->every_byte)
		return failure_set(-ENOMEM, "out of memory");
	for (size_t i = 0; i < verify->nr_packs; i++) {
		CLEANUP_CLOSE int fd = -1;

		if (!tmc_store_get(verify->repo->store, TMC_STORE_PACK, &verify->packs[i], &fd,
				   &verify->pack_bytes[i]))
			bytes += verify->pack_bytes[i];
		verify->every_byte[i] = verify->options->level == TMC_CHECK_EVERY_BYTE;
	}
	verify->result.packs += verify->nr_packs;
	verify->result.pack_bytes += bytes;
	verify->total_bytes += bytes;
	for (size_t n = 0; verify->whole && verify->is_first && n < verify->proof.nr_indexes; n++)
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
static int choose_sample(struct tmc_verify *verify)
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
static void note_orphans(struct tmc_verify *verify)
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
	tmc_verify_note(verify, text);
	verify->index_is_short = true;
}

/*
 * A later round checks what only later indexes name. What an index has said that was
 * merged meanwhile stays proved by its entries, as long as it is open.
 */
static int note_checked(struct tmc_verify *verify)
{
	const struct tmc_proof *proof = &verify->proof;
	int ret = 0;

	tmc_id_list_clear(&verify->checked);
	for (size_t i = 0; i < proof->nr_mentions && !ret; i++)
		if (verify->whole || proof->mentions[i].needed)
			ret = tmc_id_list_add(&verify->checked, &proof->mentions[i].pack);
	return ret;
}

int tmc_verify_packs(struct tmc_verify *verify)
{
	int ret = list_packs(verify);

	if (!ret)
		ret = sum_up(verify);
	if (!ret && verify->is_first && verify->options->level == TMC_CHECK_SAMPLE)
		ret = choose_sample(verify);
	if (!ret && verify->is_first && verify->whole)
		note_orphans(verify);
	if (!ret)
		ret = check_packs(verify);
	verify->is_first = false;
	return ret ? ret : note_checked(verify);
}
