// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * A backup in which the n-th system call fails, for every n until none does; and
 * one in which from the n-th on nothing happens any more, as after a kill. Each
 * time the repository has to be clean, what was committed has to read back, and a
 * point exists exactly if its commit said so.
 */
#include "repo_fixture.h"

#include "common/io.h"

#include <signal.h>
#include <sys/wait.h>

#define NR_CHUNKS 60u
#define SWEEP_MAX 60 /* where each backup succeeds, there are ever more indexes to read */

enum fault {
	FAULT_NONE,
	FAULT_EIO,
	FAULT_ENOSPC,
	FAULT_EINTR, /* to be tried again: must not fail the backup */
	FAULT_SHORT, /* half a transfer: likewise */
	FAULT_KILL,  /* this and all later calls do nothing */
};

static struct {
	enum fault fault;
	int at;            /* the call that fails, from 1 */
	atomic_int nr;     /* calls so far */
	atomic_bool fired;
} plan;

/* Whether this call fails. Each call that changes something counts. */
static bool fires(void)
{
	int nr = ++plan.nr;

	if (plan.fault == FAULT_NONE || (plan.fault == FAULT_KILL ? nr < plan.at : nr != plan.at))
		return false;
	plan.fired = true;
	switch (plan.fault) {
	case FAULT_ENOSPC:
		errno = ENOSPC;
		break;
	case FAULT_EINTR:
		errno = EINTR;
		break;
	default:
		errno = EIO;
	}
	return true;
}

static int faulty_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	if (flags & O_CREAT && plan.fault != FAULT_SHORT && fires())
		return -1;
	return io_ops_system.openat(dir_fd, name, flags, mode);
}

static int faulty_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	bool counts = plan.fault != FAULT_EINTR && plan.fault != FAULT_SHORT;

	return counts && fires() ? -1 : io_ops_system.mkdirat(dir_fd, name, mode);
}

static ssize_t faulty_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	if (fires()) {
		if (plan.fault != FAULT_SHORT)
			return -1;
		bytes = (bytes + 1) / 2;
	}
	return io_ops_system.pwrite(fd, data, bytes, offset);
}

static ssize_t faulty_pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (plan.fault == FAULT_SHORT && fires())
		bytes = (bytes + 1) / 2;
	if (plan.fault == FAULT_EINTR && fires())
		return -1;
	return io_ops_system.pread(fd, data, bytes, offset);
}

static int faulty_fsync(int fd)
{
	bool counts = plan.fault != FAULT_EINTR && plan.fault != FAULT_SHORT;

	return counts && fires() ? -1 : io_ops_system.fsync(fd);
}

static int faulty_renameat(int old_dir_fd, const char *old_name, int new_dir_fd,
			   const char *new_name, unsigned int flags)
{
	bool counts = plan.fault != FAULT_EINTR && plan.fault != FAULT_SHORT;

	return counts && fires() ? -1 : io_ops_system.renameat(old_dir_fd, old_name, new_dir_fd,
							       new_name, flags);
}

static int faulty_unlinkat(int dir_fd, const char *name, int flags)
{
	bool counts = plan.fault != FAULT_EINTR && plan.fault != FAULT_SHORT;

	return counts && fires() ? -1 : io_ops_system.unlinkat(dir_fd, name, flags);
}

static const struct io_ops faulty_ops = {
	.openat = faulty_openat,
	.mkdirat = faulty_mkdirat,
	.pread = faulty_pread,
	.pwrite = faulty_pwrite,
	.fsync = faulty_fsync,
	.renameat = faulty_renameat,
	.unlinkat = faulty_unlinkat,
};

static void arm(enum fault fault, int at)
{
	plan.fault = fault;
	plan.at = at;
	plan.nr = 0;
	plan.fired = false;
	io_ops = &faulty_ops;
}

static void disarm(void)
{
	io_ops = &io_ops_system;
}

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

static void sweep(struct fixture *fixture, enum fault fault, bool must_succeed)
{
	struct history *history = calloc(1, sizeof(*history));
	struct tmc_repo *repo = make_repo(fixture->path, 4096);
	uint8_t chosen[NR_CHUNKS];
	int nr_failed = 0;
	int at = 0;

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
		arm(fault, ++at);
		ret = model_backup(repo, history->models[1], &history->points[history->nr - 1],
				   chosen, (uint64_t)at + 1, &point);
		disarm();
		tmc_repo_close(repo);
		if (fault == FAULT_KILL && ret < 0)
			ret = find_unacknowledged(fixture, history, &point);
		if (ret == 0) {
			history->points[history->nr++] = point;
		} else {
			assert_true(plan.fired);
			assert_true(strlen(tmc_error_text()) > 10);
			if (must_succeed)
				fail_msg("call %d: %d, %s", at, ret, tmc_error_text());
			memcpy(history->models[1]->data, before->data, before->bytes);
			nr_failed++;
		}
		model_destroy(before);
		expect_clean(fixture, history);
	} while (plan.fired && (!must_succeed || at < SWEEP_MAX));
	assert_true(at > 10);
	assert_true(must_succeed ? nr_failed == 0 : nr_failed > 8);

	assert_success(tmc_repo_open(fixture->path, &repo)); /* a good one takes the rubbish away */
	change_model(history->models[1], chosen);
	assert_success(model_backup(repo, history->models[1], &history->points[history->nr - 1],
				    chosen, 1000000, &history->points[history->nr]));
	history->nr++;
	tmc_repo_close(repo);
	assert_int_equal(count_files(fixture, "tmp"), 0);
	expect_clean(fixture, history);
	for (int i = 0; i < 2; i++)
		model_destroy(history->models[i]);
	free(history);
}

static void any_call_can_fail_with_eio(void **state)
{
	sweep(*state, FAULT_EIO, false);
}

static void any_call_can_find_the_disk_full(void **state)
{
	sweep(*state, FAULT_ENOSPC, false);
}

static void any_call_can_be_the_last(void **state)
{
	sweep(*state, FAULT_KILL, false);
}

static void an_interrupted_call_is_repeated(void **state)
{
	sweep(*state, FAULT_EINTR, true);
}

static void a_short_transfer_is_continued(void **state)
{
	sweep(*state, FAULT_SHORT, true);
}

static void creation_can_fail_anywhere(void **state)
{
	static const enum fault faults[] = { FAULT_EIO, FAULT_ENOSPC, FAULT_KILL };
	struct fixture *fixture = *state;

	for (size_t f = 0; f < sizeof(faults) / sizeof(*faults); f++) {
		for (int at = 1;; at++) {
			struct tmc_repo *repo;
			int ret;

			arm(faults[f], at);
			ret = tmc_repo_create(fixture->path, 4096);
			disarm();
			if (!plan.fired) {
				assert_int_equal(ret, 0);
				assert_true(at > 5);
				break;
			}
			if (ret == 0 || tmc_repo_open(fixture->path, &repo) < 0)
				continue; /* a cleanup failed; or half made: taken over next time */
			tmc_repo_close(repo); /* killed after the rename: a good repository */
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
		left_something |= count_files(fixture, "tmp") > 0;
		expect_clean(fixture, history);
	}
	assert_true(left_something);
	assert_success(tmc_repo_open(fixture->path, &repo));
	assert_success(model_backup(repo, history->models[1], NULL, NULL, 2, &history->points[1]));
	tmc_repo_close(repo);
	history->nr = 2;
	assert_int_equal(count_files(fixture, "tmp"), 0);
	expect_clean(fixture, history);
	for (int i = 0; i < 2; i++)
		model_destroy(history->models[i]);
	free(history);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(any_call_can_fail_with_eio),
		T(any_call_can_find_the_disk_full),
		T(any_call_can_be_the_last),
		T(an_interrupted_call_is_repeated),
		T(a_short_transfer_is_continued),
		T(creation_can_fail_anywhere),
		T(a_killed_process_leaves_a_clean_repository),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
