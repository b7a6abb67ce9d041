// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A backup in which from the n-th call on nothing happens any more, as after a kill,
 * for every n; creations that end early; processes that are killed. Each time the
 * repository has to be clean, and what was committed has to read back. Calls that
 * fail and are noticed: test-fault-sweep.c.
 */
#include "faults.h"
#include "repo_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define NR_CHUNKS 60u

/* ------------------------------------------------------------------- the sweep */

struct history {
	struct tmc_point points[256];
	struct model *models[2]; /* the first point's, everybody else's */
	size_t nr;
};

static size_t count_points(struct tmc_repo *repo)
{
	struct tmc_point *points;
	size_t nr;

	assert_success(tmc_point_list(repo, &points, &nr));
	free(points);
	return nr;
}

/* All that was committed reads back, and nothing else exists. */
static void expect_clean(struct fixture *fixture, const struct history *history)
{
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_int_equal(count_points(repo), history->nr);
	assert_verified(repo, history->nr);
	assert_point_equals(repo, &history->points[0], history->models[0]);
	if (history->nr > 1)
		assert_point_equals(repo, &history->points[history->nr - 1], history->models[1]);
	tmc_repo_close(repo);
}

/* New content each time, so that each backup has blobs to write. */
static void change_model(struct model *model, uint8_t chosen[NR_CHUNKS])
{
	memset(chosen, 0, NR_CHUNKS);
	for (int i = 0; i < 3; i++) {
		uint64_t chunk = model_random(model) % NR_CHUNKS;

		chosen[chunk] = 1;
		model_fill(model, chunk, CONTENT_RANDOM);
	}
}

/* Whoever is killed between naming his point and hearing of it has a point. */
static int find_unacknowledged(struct fixture *fixture, const struct history *history,
			       struct tmc_point *ret_point)
{
	struct tmc_repo *repo;
	int ret;

	assert_success(tmc_repo_open(fixture->path, &repo));
	ret = count_points(repo) == history->nr ? -EIO :
	      tmc_point_find(repo, "latest", NULL, ret_point);
	tmc_repo_close(repo);
	return ret;
}

static void any_call_can_be_the_last(void **state)
{
	struct fixture *fixture = *state;
	struct history *history = calloc(1, sizeof(*history));
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	uint8_t chosen[NR_CHUNKS];
	int nr_failed = 0;
	unsigned int at = 0;

	for (int i = 0; i < 2; i++)
		history->models[i] = model_mixed(NR_CHUNKS * 4096, 4096);
	history->nr = 1;
	assert_success(model_backup(repo, history->models[0], NULL, NULL, 1, &history->points[0]));
	tmc_repo_close(repo);
	do {
		struct tmc_point point;
		struct model *before = model_create(NR_CHUNKS * 4096, 4096);
		int ret;

		memcpy(before->data, history->models[1]->data, before->bytes);
		change_model(history->models[1], chosen);
		assert_success(tmc_repo_open(fixture->path, &repo));
		faults_arm(FAULT_KILL, ++at);
		ret = model_backup(repo, history->models[1], &history->points[history->nr - 1],
				   chosen, (uint64_t)at + 1, &point);
		faults_disarm();
		tmc_repo_close(repo);
		if (ret < 0)
			ret = find_unacknowledged(fixture, history, &point);
		if (ret == 0) {
			history->points[history->nr++] = point;
		} else {
			assert_true(faults_fired());
			assert_true(strlen(tmc_error_text()) > 10);
			memcpy(history->models[1]->data, before->data, before->bytes);
			nr_failed++;
		}
		model_destroy(before);
		expect_clean(fixture, history);
	} while (faults_fired());
	assert_true(nr_failed > 8);

	assert_success(tmc_repo_open(fixture->path, &repo)); /* a good one takes the rubbish away */
	change_model(history->models[1], chosen);
	assert_success(model_backup(repo, history->models[1], &history->points[history->nr - 1],
				    chosen, 1000000, &history->points[history->nr]));
	history->nr++;
	tmc_repo_close(repo);
	assert_int_equal(count_drafts(fixture), 0);
	expect_clean(fixture, history);
	for (int i = 0; i < 2; i++)
		model_destroy(history->models[i]);
	free(history);
}

static void creation_can_fail_anywhere(void **state)
{
	static const enum fault faults[] = { FAULT_EIO, FAULT_ENOSPC, FAULT_KILL };
	struct fixture *fixture = *state;

	for (size_t f = 0; f < sizeof(faults) / sizeof(*faults); f++) {
		for (unsigned int at = 1;; at++) {
			struct tmc_repo *repo;
			int ret;

			faults_arm(faults[f], at);
			ret = tmc_repo_create(fixture->path, 4096);
			faults_disarm();
			if (!faults_fired()) {
				assert_int_equal(ret, 0);
				assert_true(at > 5);
				break;
			}
			if (tmc_repo_open(fixture->path, &repo) < 0) {
				assert_true(ret < 0);
				continue; /* half made: taken over next time */
			}
			tmc_repo_close(repo); /* a good one: killed after the rename */
			remove_tree(fixture->path);
		}
		remove_tree(fixture->path);
	}
}

/* A kill that is one: the process is gone, its locks with it. */
static void a_killed_process_leaves_a_clean_repository(void **state)
{
	struct fixture *fixture = *state;
	struct history *history = calloc(1, sizeof(*history));
	struct tmc_repo *repo = make_repo(fixture->path, 4096);

	for (int i = 0; i < 2; i++)
		history->models[i] = model_mixed(NR_CHUNKS * 4096, 4096);
	assert_success(model_backup(repo, history->models[0], NULL, NULL, 1, &history->points[0]));
	history->nr = 1;
	tmc_repo_close(repo);
	bool left_something = false;
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			struct model *model = model_mixed(2000 * 4096, 4096);
			struct tmc_volume volume = model_volume(model);
			struct tmc_backup *backup;

			if (tmc_repo_open(fixture->path, &repo) ||
			    tmc_backup_begin(repo, &volume, NULL, 2, &backup))
				_exit(1);
			put_range(backup, model, 0, 100u * (unsigned int)i, NULL);
			raise(SIGKILL);
		}
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		/* Not each: a kill can hit between two packs. */
		left_something |= count_drafts(fixture) > 0;
		expect_clean(fixture, history);
	}
	assert_true(left_something);
	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_success(model_backup(repo, history->models[1], NULL, NULL, 2, &history->points[1]));
	tmc_repo_close(repo);
	history->nr = 2;
	assert_int_equal(count_drafts(fixture), 0);
	expect_clean(fixture, history);
	for (int i = 0; i < 2; i++)
		model_destroy(history->models[i]);
	free(history);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(any_call_can_be_the_last),
		T(creation_can_fail_anywhere),
		T(a_killed_process_leaves_a_clean_repository),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
