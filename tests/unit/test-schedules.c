// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Writers, readers, forget and prune at once (docs/repository.md, invariants 2 to 7).
 * Of two programs every order with three changes from one to the other is tried, of three
 * programs many drawn at random: each published point that was not given up is there,
 * bit for bit, and stays so after one more prune. LONG=1 tries every order of two, but
 * for two prunes, else a sample.
 */
#include "repo_fixture.h"
#include "schedule.h"

#include "catalog/index_tidy.h"
#include "catalog/repo.h"
#include "catalog/session.h"

#define NR_CHUNKS 24u
#define VERSIONS  3 /* in the beginning: 0 and 1 share half, 2 shares nothing with 0 */

/* What the orders begin with, made once, and a copy of it that a run may change. */
struct stage {
	struct fixture *fixture;
	char path[128]; /* of the copy */
	struct tmc_point points[VERSIONS];
	struct model *models[VERSIONS];
	bool given_up[VERSIONS];
	unsigned int nr_orders, nr_published, nr_broken, nr_rescued;
};

/* One program. */
struct actor {
	struct stage *stage;
	unsigned int version; /* what it backs up, reads or gives up */
	bool with_parent;
	int ret;
	bool ended_well;
	struct tmc_point point; /* that it has made */
};

/* -------------------------------------------------------------------------- stage */

static int stage_setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct tmc_repo *repo;

	if (fixture_setup((void **)&stage->fixture))
		return -1;
	snprintf(stage->path, sizeof(stage->path), "%s/copy", stage->fixture->directory);
	repo = make_repo(stage->fixture->path, 4096);
	for (unsigned int v = 0; v < VERSIONS; v++) {
		struct model *model = model_create(NR_CHUNKS * 4096, 4096);

		model->seed += 1000 * v;
		if (v == 1)
			memcpy(model->data, stage->models[0]->data, NR_CHUNKS * 4096);
		for (unsigned int chunk = 0; chunk < (v == 1 ? NR_CHUNKS / 2 : NR_CHUNKS); chunk++)
			model_fill(model, chunk, CONTENT_RANDOM);
		stage->models[v] = model;
		assert_success(model_backup(repo, model, NULL, NULL, v + 1, &stage->points[v]));
	}
	tmc_repo_close(repo);
	*state = stage;
	return 0;
}

static int stage_teardown(void **state)
{
	struct stage *stage = *state;

	for (unsigned int v = 0; v < VERSIONS; v++)
		model_destroy(stage->models[v]);
	fixture_teardown((void **)&stage->fixture);
	free(stage);
	return 0;
}

static struct stage *copying;

/* Objects are never changed, so a link is as good as a copy. */
static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char to[384];

	snprintf(to, sizeof(to), "%s%s", copying->path, path + strlen(copying->fixture->path));
	return type == FTW_D ? mkdir(to, 0700) : link(path, to);
}

static void set_stage(struct stage *stage)
{
	copying = stage;
	remove_tree(stage->path);
	assert_int_equal(nftw(stage->fixture->path, copy_one, 16, FTW_PHYS), 0);
	memset(stage->given_up, 0, sizeof(stage->given_up));
}

/* ------------------------------------------------------------------------- actors */

static void write_point(void *context)
{
	struct actor *actor = context;
	struct stage *stage = actor->stage;
	const struct model *model = stage->models[actor->version];
	uint8_t chosen[NR_CHUNKS] = { 1 };
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(stage->path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = model_backup(repo, model, actor->with_parent ? &stage->points[actor->version] : NULL,
				  actor->with_parent ? chosen : NULL, 100, &actor->point);
	tmc_repo_close(repo);
}

static void read_point(void *context)
{
	struct actor *actor = context;
	struct stage *stage = actor->stage;
	enum extraction extraction;
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(stage->path, &repo);
	if (actor->ret < 0)
		return;
	extraction = extract_point(repo, &stage->points[actor->version], stage->models[actor->version]);
	actor->ret = extraction == EXTRACTION_EXACT ? 0 : extraction == EXTRACTION_REFUSED ? -EIO : -EILSEQ;
	tmc_repo_close(repo);
}

static void prune_with(struct actor *actor, const struct tmc_id *points, size_t nr)
{
	const struct tmc_prune_options options = {
		.points = points,
		.nr_points = nr,
		.repack_below_percent = 60,
		.repack_bytes_max = UINT64_MAX,
	};
	struct tmc_prune_result result;
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(actor->stage->path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = tmc_prune(repo, &options, &result);
	actor->stage->nr_rescued += result.rescued_blobs != 0;
	tmc_repo_close(repo);
}

static void prune(void *context)
{
	struct actor *actor = context;

	actor->stage->given_up[actor->version] = true;
	prune_with(actor, &actor->stage->points[actor->version].id, 1);
}

static void forget(void *context)
{
	struct actor *actor = context;
	struct tmc_repo *repo;

	actor->stage->given_up[actor->version] = true;
	actor->ret = tmc_repo_open(actor->stage->path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = tmc_forget(repo, &actor->stage->points[actor->version].id, 1);
	tmc_repo_close(repo);
}

static void tidy(void *context)
{
	struct actor *actor = context;
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(actor->stage->path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = tmc_repo_enter(repo, "backup");
	if (!actor->ret)
		actor->ret = tmc_index_tidy(repo, 2);
	tmc_repo_close(repo);
}

/* -------------------------------------------------------------------------- verdict */

static void expect_points(struct stage *stage, const struct actor *actors, size_t nr)
{
	struct tmc_verify_result result;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(stage->path, &repo));
	for (unsigned int v = 0; v < VERSIONS; v++)
		if (!stage->given_up[v])
			assert_point_equals(repo, &stage->points[v], stage->models[v]);
	for (size_t i = 0; i < nr; i++) {
		static const struct tmc_id none;

		if (!actors[i].ret && memcmp(&actors[i].point.id, &none, sizeof(none)))
			assert_point_equals(repo, &actors[i].point,
					    stage->models[actors[i].version]);
	}
	assert_success(tmc_verify(repo, NULL, 1, print_damage, NULL, (void *)"", &result));
	tmc_repo_close(repo);
}

/* Two prunes bring to its end whatever was begun. */
static void judge(struct stage *stage, struct actor *actors, size_t nr)
{
	struct actor sweeper = { .stage = stage };

	expect_points(stage, actors, nr);
	for (int i = 0; i < 2; i++) {
		prune_with(&sweeper, NULL, 0);
		assert_success(sweeper.ret);
		expect_points(stage, actors, nr);
	}
}

/* -------------------------------------------------------------------------- orders */

struct play {
	void (*run[SCHEDULE_ACTORS])(void *context);
	unsigned int version[SCHEDULE_ACTORS];
	bool with_parent[SCHEDULE_ACTORS];
	size_t nr;
	bool all_seem_dead; /* to each other */
};

static void perform(struct stage *stage, const struct play *play, const struct schedule_turn *turns,
		    size_t nr_turns, unsigned int ret_nr_steps[SCHEDULE_ACTORS])
{
	struct schedule_actor scheduled[SCHEDULE_ACTORS];
	struct actor actors[SCHEDULE_ACTORS] = { 0 };
	uint64_t usual_ns = tmc_session_times.dead_ns;

	set_stage(stage);
	for (size_t i = 0; i < play->nr; i++) {
		actors[i] = (struct actor){
			.stage = stage, .version = play->version[i], .with_parent = play->with_parent[i],
		};
		scheduled[i] = (struct schedule_actor){ play->run[i], &actors[i] };
	}
	if (play->all_seem_dead)
		tmc_session_times.dead_ns = 0;
	schedule_run(scheduled, play->nr, turns, nr_turns, ret_nr_steps);
	tmc_session_times.dead_ns = usual_ns;
	stage->nr_orders++;
	for (size_t i = 0; i < play->nr; i++) {
		bool writes = play->run[i] == write_point;

		if (writes && !actors[i].ret)
			stage->nr_published++;
		if (actors[i].ret == -ETIMEDOUT)
			stage->nr_broken++;
		else if (writes && actors[i].ret && !(play->with_parent[i] && actors[i].ret == -ENOENT))
			fail_msg("a writer: %d", actors[i].ret);
		if (play->run[i] == read_point)
			assert_true(!actors[i].ret ||
				    (stage->given_up[actors[i].version] && actors[i].ret == -EIO));
		if (!writes)
			actors[i].ret = -1; /* it has made no point */
	}
	judge(stage, actors, play->nr);
}

/* first: a steps; other: b; first: c; other: to its end. */
static void perform_each(struct stage *stage, const struct play *play, unsigned int stride)
{
	unsigned int nr_steps[SCHEDULE_ACTORS], ignored[SCHEDULE_ACTORS], nth = 0;

	perform(stage, play, NULL, 0, nr_steps);
	for (unsigned int first = 0; first < 2; first++) {
		unsigned int nr_first = nr_steps[first], nr_other = nr_steps[!first];

		for (unsigned int a = 1; a <= nr_first; a++)
			for (unsigned int b = 1; b <= nr_other; b++)
				for (unsigned int c = 1; c <= nr_first - a + 1; c++) {
					const struct schedule_turn turns[] = {
						{ first, a }, { !first, b }, { first, c }, { !first, 1000 },
					};

					if (nth++ % stride == 0)
						perform(stage, play, turns, 4, ignored);
				}
	}
	print_message("%u and %u steps, %u orders, %u points published, %u writers broken, something "
		      "rescued in %u\n", nr_steps[0], nr_steps[1], stage->nr_orders,
		      stage->nr_published, stage->nr_broken, stage->nr_rescued);
}

static unsigned int stride(unsigned int without_long)
{
	return is_long() ? 1 : without_long;
}

/* What the writer finds is what the prune gives up. */
static void a_writer_of_known_content_beside_a_prune(void **state)
{
	struct stage *stage = *state;
	const struct play play = { .run = { write_point, prune }, .version = { 0, 0 }, .nr = 2 };

	perform_each(stage, &play, stride(47));
	assert_int_equal(stage->nr_published, stage->nr_orders);
	assert_true(stage->nr_rescued > 0);
}

static void a_writer_upon_a_parent_that_is_given_up(void **state)
{
	struct stage *stage = *state;
	const struct play play = {
		.run = { write_point, prune }, .version = { 1, 1 }, .with_parent = { true }, .nr = 2,
	};

	perform_each(stage, &play, stride(47));
	assert_true(stage->nr_published > 10 && stage->nr_published < stage->nr_orders);
}

static void a_writer_that_is_taken_for_dead(void **state)
{
	struct stage *stage = *state;
	const struct play play = {
		.run = { write_point, prune }, .version = { 0, 0 }, .nr = 2, .all_seem_dead = true,
	};

	perform_each(stage, &play, stride(47));
	assert_true(stage->nr_broken > 10);
	assert_true(stage->nr_published > 10);
}

static void a_reader_beside_a_prune(void **state)
{
	struct stage *stage = *state;
	struct play play = { .run = { read_point, prune }, .version = { 0, 0 }, .nr = 2 };

	perform_each(stage, &play, stride(29)); /* what goes may be refused, never wrong */
	play.version[0] = 1;                     /* what stays is read */
	perform_each(stage, &play, stride(29));
}

static void indexes_are_merged_beside_a_writer_and_beside_a_prune(void **state)
{
	struct stage *stage = *state;
	struct play play = { .run = { write_point, tidy }, .version = { 0, 0 }, .nr = 2 };

	perform_each(stage, &play, stride(11));
	assert_int_equal(stage->nr_published, stage->nr_orders);
	play.run[0] = prune;
	perform_each(stage, &play, stride(47));
}

static void two_prunes_at_once(void **state)
{
	struct stage *stage = *state;
	struct play play = { .run = { prune, prune }, .version = { 0, 2 }, .nr = 2 };

	/* By far the most orders there are: half an hour even of a sample. */
	perform_each(stage, &play, is_long() ? 16 : 251);
	play.all_seem_dead = true; /* neither knows of the other */
	perform_each(stage, &play, is_long() ? 16 : 251);
}

static void a_writer_a_forgetter_and_a_prune_and_two_writers_and_a_prune(void **state)
{
	static const struct play plays[] = {
		{ .run = { write_point, forget, prune }, .version = { 0, 0, 2 }, .nr = 3 },
		{ .run = { write_point, write_point, prune }, .version = { 0, 0, 0 }, .nr = 3 },
		{ .run = { write_point, write_point, prune }, .version = { 0, 1, 1 },
		  .with_parent = { false, true }, .nr = 3 },
		{ .run = { write_point, read_point, prune }, .version = { 0, 0, 0 }, .nr = 3,
		  .all_seem_dead = true },
	};
	struct stage *stage = *state;
	struct model *dice = stage->models[0];
	unsigned int ignored[SCHEDULE_ACTORS];

	for (unsigned int n = 0; n < (is_long() ? 20000 : 250); n++) {
		struct schedule_turn turns[10];

		for (size_t i = 0; i < 10; i++)
			turns[i] = (struct schedule_turn){
				.actor = (unsigned int)(model_random(dice) % 3),
				.nr_steps = 1 + (unsigned int)(model_random(dice) % 12),
			};
		perform(stage, &plays[n % 4], turns, 10, ignored);
	}
	print_message("%u orders, %u points published, %u broken, something rescued in %u\n",
		      stage->nr_orders, stage->nr_published, stage->nr_broken, stage->nr_rescued);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
		T(a_writer_of_known_content_beside_a_prune),
		T(a_writer_upon_a_parent_that_is_given_up),
		T(a_writer_that_is_taken_for_dead),
		T(a_reader_beside_a_prune),
		T(indexes_are_merged_beside_a_writer_and_beside_a_prune),
		T(two_prunes_at_once),
		T(a_writer_a_forgetter_and_a_prune_and_two_writers_and_a_prune),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
