// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Makes a damaged repository sound. What keeps everybody from writing comes first:
 * dooms and ledgers. Then everything is read, and nothing written:
 * which packs and indexes are damaged, what points lose. Then, step by step, each
 * durable before what it replaces goes aside: the index from the packs, what can be
 * read of damaged packs in new packs, indexes that no longer name damaged packs,
 * and points in whose trees the lost chunks are unreadable. docs/repository.md has
 * the order and why a repair that is cut short anywhere can be repeated.
 */
#include "catalog/repair.h"

#include "common/failure.h"
#include "common/lock_scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool tmc_repair_is_damage(int error)
{
	return error == -EBADMSG || error == -EIO;
}

void tmc_repair_say(struct tmc_repair *repair, const char *text)
{
	LOCK_SCOPE(&repair->lock);
	if (repair->options->say)
		repair->options->say(repair->options->context, text);
}

int tmc_repair_put_aside(struct tmc_repair *repair, enum tmc_store_kind kind,
			 const struct tmc_id *id)
{
	char object[TMC_STORE_TEXT], text[TMC_STORE_TEXT + 32];
	int ret = tmc_store_put_aside(repair->repo->store, kind, id);

	if (ret < 0)
		return ret;
	repair->result.put_aside++;
	tmc_store_describe(repair->repo->store, kind, id, object);
	snprintf(text, sizeof(text), "%s was put aside", object);
	tmc_repair_say(repair, text);
	return 0;
}

/* ------------------------------------------------------------------------ view */

static void close_view(struct tmc_repair *repair)
{
	tmc_proof_exit(&repair->proof);
	tmc_index_set_destroy(repair->view.indexes);
	tmc_pack_cache_destroy(repair->view.packs);
	memset(&repair->proof, 0, sizeof(repair->proof));
	repair->view.indexes = NULL;
	repair->view.packs = NULL;
}

/* An index that cannot tell its packs has been named with the indexes. */
static void ignore(void *context)
{
}

int tmc_repair_open_view(struct tmc_repair *repair)
{
	struct tmc_repo *repo = repair->repo;
	int ret;

	close_view(repair);
	repair->view.indexes = tmc_index_set_create(repo->store, repo->keys, &repo->limits);
	repair->view.packs = tmc_pack_cache_create(repo->store, repo->keys);
	if (!repair->view.indexes || !repair->view.packs)
		return failure_set(-ENOMEM, "out of memory");
	tmc_index_set_avoid(repair->view.indexes, &repo->avoided);
	ret = tmc_index_set_refresh(repair->view.indexes);
	return ret ? ret : tmc_proof_init(&repair->proof, repair->view.indexes, ignore, NULL);
}

/* ---------------------------------------------------------------------- repair */

/* Everything is read; nothing is written. */
static int plan(struct tmc_repair *repair)
{
	int ret = tmc_repair_check_indexes(repair);

	if (!ret)
		ret = tmc_repair_check_packs(repair, TMC_PACK_EVERY_BYTE);
	if (ret < 0)
		return ret;
	repair->quiet = repair->options->apply;
	ret = tmc_repair_look_at_points(repair);
	repair->quiet = false;
	repair->index_is_short = repair->result.damaged_indexes || repair->result.rewritten_points;
	return ret;
}

static int replace_packs(struct tmc_repair *repair)
{
	int ret = tmc_repair_salvage_packs(repair);

	if (!ret)
		ret = tmc_repair_replace_indexes(repair);
	for (size_t i = 0; i < repair->nr_bad && !ret; i++)
		if (!repair->bad[i].missing)
			ret = tmc_repair_put_aside(repair, TMC_STORE_PACK, &repair->bad[i].id);
	return ret;
}

static int apply(struct tmc_repair *repair)
{
	int ret = 0;

	if (repair->index_is_short)
		ret = tmc_repair_rebuild_index(repair);
	if (!ret && repair->index_is_short)
		ret = tmc_repair_open_view(repair);
	if (!ret && repair->nr_bad)
		ret = replace_packs(repair);
	if (!ret)
		ret = tmc_repair_check_packs(repair, TMC_PACK_STRUCTURE);
	if (!ret && repair->nr_bad)
		ret = failure_set(-EAGAIN, "%zu packs were damaged while the repository was being "
				  "repaired: run it again", repair->nr_bad);
	if (!ret)
		ret = tmc_repair_replace_points(repair);
	return ret ? ret : tmc_repair_return_points(repair);
}

/* Who only reads may do without a session, and without dooms that nobody can read. */
static int enter(struct tmc_repair *repair)
{
	bool apply = repair->options->apply;
	int ret = tmc_store_enter(repair->repo->store, "repair");

	if (!apply && (ret == -EACCES || ret == -EROFS))
		return tmc_repair_check_dooms(repair);
	if (!ret)
		ret = tmc_repair_check_dooms(repair);
	if (!ret && apply)
		return tmc_repo_begin_write(repair->repo, "repair");
	if (!ret)
		ret = tmc_repo_enter(repair->repo, "repair");
	return !apply && tmc_repair_is_damage(ret) ? 0 : ret;
}

static int plan_and_apply(struct tmc_repair *repair)
{
	int ret = plan(repair);

	if (!ret)
		ret = tmc_repair_check_notes(repair);
	if (!ret)
		ret = tmc_repair_check_segments(repair);
	if (ret < 0)
		return ret;
	return repair->options->apply ? apply(repair) : tmc_repair_return_points(repair);
}

static int run(struct tmc_repair *repair)
{
	int ret = tmc_keys_check(repair->repo->keys);

	if (!ret)
		ret = tmc_repo_check_writable(repair->repo);
	if (!ret)
		ret = enter(repair);
	if (ret < 0)
		return ret;
	ret = plan_and_apply(repair);
	if (repair->options->apply)
		tmc_repo_end_write(repair->repo);
	return ret;
}

static int verdict(const struct tmc_repair *repair)
{
	const struct tmc_repair_result *result = &repair->result;

	if (repair->options->apply)
		return result->lost_points || result->rewritten_points || result->damaged_segments ?
		       failure_set(-EBADMSG, "the repository is sound again, but %llu restore points have "
				   "lost parts, %llu and %llu segments of the journal are lost",
				   (unsigned long long)result->rewritten_points,
				   (unsigned long long)result->lost_points,
				   (unsigned long long)result->damaged_segments) : 0;
	if (result->damaged_packs || result->missing_packs || result->damaged_indexes ||
	    result->damaged_dooms || result->damaged_ledgers || result->damaged_notes ||
	    result->damaged_segments || result->rewritten_points || result->lost_points)
		return failure_set(-EBADMSG, "the repository is damaged: \"tidemark repair --apply\" "
				   "makes it sound, and keeps what can be read");
	return 0;
}

int tmc_repair(struct tmc_repo *repo, const struct tmc_repair_options *options,
	       struct tmc_repair_result *ret_result)
{
	struct tmc_repair repair = { .repo = repo, .options = options, .view = *repo };
	int ret;

	repair.view.indexes = NULL;
	repair.view.packs = NULL;
	pthread_mutex_init(&repair.lock, NULL);
	first_failure_init(&repair.failure);
	ret = run(&repair);
	close_view(&repair);
	free(repair.packs);
	free(repair.bad);
	pthread_mutex_destroy(&repair.lock);
	*ret_result = repair.result;
	return ret ? ret : verdict(&repair);
}
