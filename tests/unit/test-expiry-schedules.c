// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The journal is cut back and swept while others read it, and while scan points are
 * replaced: a sample of the orders with three changes from one program to the other, a
 * larger one with LONG=1. What is not old can be had all the time, and afterwards.
 */
#include "journal_life.h"
#include "schedule.h"

#include "catalog/repo.h"

#define KEEP_NS (48 * HOUR_NS)
#define OLD_NS  (50 * HOUR_NS)
#define OLD_SEQ 40u
#define END_SEQ 60u

/* What the orders begin with, and a copy of it that a run may change. */
struct stage {
	struct life *life;
	struct life copy;
	struct fixture fixture; /* of the copy */
	unsigned int nr_orders, nr_gone;
};

struct actor {
	struct stage *stage;
	uint64_t seq;
	int ret;
};

static int stage_setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	if (life_setup((void **)&stage->life))
		return -1;
	stage->copy = *stage->life;
	stage->fixture = *stage->life->fixture;
	snprintf(stage->fixture.path, sizeof(stage->fixture.path), "%s/copy",
		 stage->fixture.directory);
	*state = stage;
	return 0;
}

static int stage_teardown(void **state)
{
	struct stage *stage = *state;
	int ret = life_teardown((void **)&stage->life);

	free(stage);
	return ret;
}

static struct stage *copying;

/* Objects are never changed, so a link is as good as a copy; and it is as old. */
static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const struct fixture *from = copying->life->fixture;
	char to[384];

	snprintf(to, sizeof(to), "%s%s", copying->fixture.path, path + strlen(from->path));
	return type == FTW_D ? mkdir(to, 0700) : link(path, to);
}

static void set_stage(struct stage *stage)
{
	copying = stage;
	remove_tree(stage->fixture.path);
	assert_int_equal(nftw(stage->life->fixture->path, copy_one, 16, FTW_PHYS), 0);
	stage->copy = *stage->life;
	stage->copy.fixture = &stage->fixture;
	stage->copy.repo = NULL;
}

/* ------------------------------------------------------------------------- actors */

static void give_up_and_sweep(void *context)
{
	const struct tmc_prune_options options = { .repack_below_percent = 50 };
	struct tmc_journal_forgotten forgotten;
	struct tmc_prune_result result;
	struct actor *actor = context;
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(actor->stage->fixture.path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = tmc_journal_forget(repo, NULL, KEEP_NS, false, &forgotten);
	if (!actor->ret)
		actor->ret = tmc_prune(repo, &options, &result);
	tmc_repo_close(repo);
}

static void read_instant(void *context)
{
	struct actor *actor = context;
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(actor->stage->fixture.path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = life_extract(actor->stage->life, repo, actor->seq);
	tmc_repo_close(repo);
}

/* As tidemarkd does it: an exact point at the first instant, then the scan goes. */
static void replace_scan(void *context)
{
	struct actor *actor = context;
	struct stage *stage = actor->stage;
	const struct tmc_when when = { .kind = TMC_WHEN_SEQ, .seq = actor->seq };
	struct tmc_instant instant;
	struct tmc_point point;
	struct tmc_repo *repo;

	actor->ret = tmc_repo_open(stage->fixture.path, &repo);
	if (actor->ret < 0)
		return;
	actor->ret = tmc_instant_find(repo, "test-volume", &when, &instant);
	if (!actor->ret)
		actor->ret = tmc_instant_keep(repo, &instant, 1, &point);
	if (!actor->ret)
		actor->ret = tmc_forget(repo, &stage->life->points[0].id, 1);
	tmc_repo_close(repo);
}

/* ------------------------------------------------------------------------- orders */

struct play {
	void (*run)(void *context); /* beside the one that gives up */
	uint64_t seq;
	bool may_be_gone;     /* what it wants */
	uint64_t first_seq;   /* from there on all can be had in the end */
};

static void judge(struct stage *stage, const struct play *play)
{
	bool offered[LIFE_RECORDS + 1];

	assert_success(tmc_repo_open(stage->fixture.path, &stage->copy.repo));
	life_check(&stage->copy, offered);
	for (uint64_t seq = play->first_seq; seq <= END_SEQ; seq++)
		assert_true(offered[seq]);
	life_expect_sound(&stage->copy);
	life_first_file(&stage->copy, 1); /* without a hole */
	tmc_repo_close(stage->copy.repo);
}

static void perform(struct stage *stage, const struct play *play, const struct schedule_turn *turns,
		    size_t nr_turns, unsigned int ret_nr_steps[SCHEDULE_ACTORS])
{
	struct actor actors[2] = { { .stage = stage, .seq = play->seq }, { .stage = stage } };
	const struct schedule_actor scheduled[] = {
		{ play->run, &actors[0] }, { give_up_and_sweep, &actors[1] },
	};

	set_stage(stage);
	schedule_run(scheduled, 2, turns, nr_turns, ret_nr_steps);
	stage->nr_orders++;
	stage->nr_gone += actors[0].ret == -ENOENT;
	if (actors[0].ret && !(play->may_be_gone && actors[0].ret == -ENOENT))
		fail_msg("the other one: %d", actors[0].ret);
	assert_int_equal(actors[1].ret, 0);
	judge(stage, play);
}

static void perform_each(struct stage *stage, const struct play *play, unsigned int stride)
{
	unsigned int nr_steps[SCHEDULE_ACTORS], ignored[SCHEDULE_ACTORS], nth = 0;

	perform(stage, play, NULL, 0, nr_steps);
	for (unsigned int first = 0; first < 2; first++)
		for (unsigned int a = 1; a <= nr_steps[first]; a++)
			for (unsigned int b = 1; b <= nr_steps[!first]; b++)
				for (unsigned int c = 1; c <= nr_steps[first] - a + 1; c++) {
					const struct schedule_turn turns[] = {
						{ first, a }, { !first, b }, { first, c }, { !first, 1000 },
					};

					if (nth++ % (is_long() ? stride / 10 : stride) == 0)
						perform(stage, play, turns, 4, ignored);
				}
	print_message("%u and %u steps, %u orders, gone in %u\n", nr_steps[0], nr_steps[1],
		      stage->nr_orders, stage->nr_gone);
}

static void begin(struct stage *stage)
{
	life_age(stage->life, OLD_SEQ, OLD_NS);
	life_reopen(stage->life); /* its session is not to be copied */
}

static void a_reader_of_what_is_not_old_has_it(void **state)
{
	const struct play play = { .run = read_instant, .seq = OLD_SEQ + 5, .first_seq = 35 };
	struct stage *stage = *state;

	life_add_stretch(stage->life, 6);
	life_add_point(stage->life, 1, 0);
	life_add_point(stage->life, 35, 0);
	begin(stage);
	perform_each(stage, &play, 41);
	assert_int_equal(stage->nr_gone, 0);
}

static void a_reader_of_what_is_old_has_it_or_is_told(void **state)
{
	const struct play play = {
		.run = read_instant, .seq = 20, .may_be_gone = true, .first_seq = 35,
	};
	struct stage *stage = *state;

	life_add_stretch(stage->life, 6);
	life_add_point(stage->life, 1, 0);
	life_add_point(stage->life, 35, 0);
	begin(stage);
	perform_each(stage, &play, 41);
	assert_true(stage->nr_gone > 0 && stage->nr_gone < stage->nr_orders);
}

/* Whatever of the scan, the point and the segments is seen: no instant is lost. */
static void a_scan_is_replaced_without_a_loss(void **state)
{
	const struct play play = { .run = replace_scan, .seq = 32, .first_seq = 32 };
	struct stage *stage = *state;

	life_add_stretch(stage->life, 6);
	life_add_point(stage->life, 15, 32);
	begin(stage);
	perform_each(stage, &play, 211);
	assert_int_equal(stage->nr_gone, 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
		T(a_reader_of_what_is_not_old_has_it),
		T(a_reader_of_what_is_old_has_it_or_is_told),
		T(a_scan_is_replaced_without_a_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
