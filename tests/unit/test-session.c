// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Who is there, who is dead, and what becomes of a writer that was taken for dead
 * (docs/repository.md, invariants 2 and 4).
 */
#include "repo_fixture.h"

#include "catalog/session.h"
#include "catalog/store.h"
#include "common/io.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define MINUTE_NS 60000000000ull

struct scene {
	struct fixture *fixture;
	struct tmc_store *store;
	struct tmc_session *session; /* ours */
};

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (fixture_setup((void **)&scene->fixture) ||
	    tmc_repo_create(scene->fixture->path, 4096) ||
	    tmc_store_open(scene->fixture->path, &scene->store) ||
	    tmc_store_enter(scene->store, "test"))
		return -1;
	scene->session = tmc_store_session(scene->store);
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	tmc_store_close(scene->store);
	fixture_teardown((void **)&scene->fixture);
	free(scene);
	return 0;
}

/* The one session beside ours; false if there is none. */
static bool other_session(struct scene *scene, struct tmc_session_info *ret_info)
{
	struct tmc_session_info *infos;
	size_t nr;

	assert_success(tmc_session_list(scene->session, &infos, &nr));
	assert_true(nr <= 1);
	if (nr)
		*ret_info = infos[0];
	free(infos);
	return nr;
}

static bool other_is_dead(struct scene *scene)
{
	struct tmc_session_info other;

	assert_true(other_session(scene, &other));
	return other.dead;
}

static void alive_path(struct scene *scene, const char *name, char ret_path[256])
{
	snprintf(ret_path, 256, "%s/sessions/%s/alive", scene->fixture->path, name);
}

static void set_age(const char *path, uint64_t age_ns)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= (time_t)(age_ns / 1000000000u);
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A session that somebody else has made, who says this of himself. */
static void make_other(struct scene *scene, const char *text, uint64_t age_ns)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sessions/%032d", scene->fixture->path, 7);
	assert_int_equal(mkdir(path, 0700), 0);
	alive_path(scene, path + strlen(path) - 32, path);
	write_file(path, text, strlen(text));
	set_age(path, age_ns);
}

static void read_word(const char *path, char *ret_word, size_t size)
{
	FILE *file = fopen(path, "r");

	ret_word[0] = '\0';
	if (!file)
		return;
	if (fgets(ret_word, (int)size, file))
		ret_word[strcspn(ret_word, "\n")] = '\0';
	fclose(file);
}

/* ------------------------------------------------------------------ who is there */

static void a_session_is_seen_while_its_handle_is_open(void **state)
{
	struct scene *scene = *state;
	struct tmc_session_info other;
	struct model *model = model_mixed(4 * 4096, 4096);
	struct tmc_point point;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_false(other_session(scene, &other)); /* opening is no use yet */
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_true(other_session(scene, &other));
	assert_false(other.dead);
	assert_string_equal(other.task, "backup");
	assert_int_equal(atoi(other.process), getpid());
	tmc_repo_close(repo);
	assert_false(other_session(scene, &other));
	assert_true(tmc_session_is_gone(scene->session, &other));

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_point_equals(repo, &point, model);
	assert_true(other_session(scene, &other));
	assert_string_equal(other.task, "restore");
	tmc_repo_close(repo);
	model_destroy(model);
}

static void what_a_session_avoids_is_read_by_others(void **state)
{
	struct scene *scene = *state;
	const struct tmc_id dooms[] = { { { 1 } }, { { 2 } } }, none = { { 3 } };
	struct tmc_session_info other;
	struct tmc_store *store;

	assert_success(tmc_store_open(scene->fixture->path, &store));
	assert_success(tmc_store_enter(store, "backup"));
	assert_true(other_session(scene, &other));
	assert_false(tmc_session_avoids(scene->session, &other, &dooms[0]));
	assert_success(tmc_session_avoid(tmc_store_session(store), dooms, 2));
	assert_true(tmc_session_avoids(scene->session, &other, &dooms[0]));
	assert_true(tmc_session_avoids(scene->session, &other, &dooms[1]));
	assert_false(tmc_session_avoids(scene->session, &other, &none));
	tmc_store_close(store);
	assert_false(tmc_session_avoids(scene->session, &other, &dooms[0]));
}

static void a_session_that_takes_nothing_avoids_each_doom(void **state)
{
	struct scene *scene = *state;
	const struct tmc_id doom = { { 3 } };
	struct tmc_session_info other;
	struct tmc_store *store;

	assert_success(tmc_store_open(scene->fixture->path, &store));
	assert_success(tmc_store_enter(store, "journal"));
	assert_true(other_session(scene, &other));
	assert_false(tmc_session_avoids(scene->session, &other, &doom));
	assert_success(tmc_session_avoid_all(tmc_store_session(store)));
	assert_true(tmc_session_avoids(scene->session, &other, &doom));
	tmc_store_close(store);
}

static void a_session_renews_itself(void **state)
{
	struct scene *scene = *state;
	struct tmc_session_times usual = tmc_session_times;
	struct tmc_session_info other;
	struct tmc_store *store;
	char path[256];

	tmc_session_times.renew_ns = 1000000;
	assert_success(tmc_store_open(scene->fixture->path, &store));
	assert_success(tmc_store_enter(store, "backup"));
	assert_true(other_session(scene, &other));
	alive_path(scene, other.name, path);
	for (int i = 0; i < 3; i++) { /* hangs where nothing is renewed */
		struct stat st;

		set_age(path, 60 * MINUTE_NS);
		do {
			sched_yield();
			assert_int_equal(stat(path, &st), 0);
		} while (st.st_mtim.tv_sec < time(NULL) - 1800);
	}
	assert_false(other_is_dead(scene));
	tmc_store_close(store);
	tmc_session_times = usual;
}

/* -------------------------------------------------------------------- who is dead */

static void a_foreign_session_is_dead_after_half_an_hour(void **state)
{
	struct scene *scene = *state;
	char path[256];

	make_other(scene, "machine f00d\nboot cafe\nprocess 1\nhost far\ntask backup\n", 29 * MINUTE_NS);
	assert_false(other_is_dead(scene));
	alive_path(scene, "00000000000000000000000000000007", path);
	set_age(path, 31 * MINUTE_NS);
	assert_true(other_is_dead(scene));
	set_age(path, 0);
	assert_false(other_is_dead(scene));
}

static void an_earlier_boot_of_this_machine_is_dead_a_clone_is_not(void **state)
{
	struct scene *scene = *state;
	char machine[64], text[256], path[256];
	struct timespec uptime;

	read_word("/etc/machine-id", machine, sizeof(machine));
	clock_gettime(CLOCK_BOOTTIME, &uptime);
	if (!machine[0] || uptime.tv_sec < 120 || uptime.tv_sec > 25 * 60) /* or age decides */
		tmc_session_times.dead_ns = UINT64_MAX;
	snprintf(text, sizeof(text), "machine %s\nboot cafe\nprocess 1\nhost here\ntask backup\n",
		 machine);
	make_other(scene, text, ((uint64_t)uptime.tv_sec + 60) * 1000000000u);
	assert_int_equal(other_is_dead(scene), machine[0] != '\0');
	alive_path(scene, "00000000000000000000000000000007", path);
	set_age(path, 0);
	assert_false(other_is_dead(scene));
	tmc_session_times.dead_ns = 30 * MINUTE_NS;
}

static void one_of_our_boot_is_dead_once_its_lock_is_free(void **state)
{
	struct scene *scene = *state;
	char boot[64], text[256];

	read_word("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	snprintf(text, sizeof(text), "machine m\nboot %s\nprocess 1\nhost here\ntask backup\n", boot);
	make_other(scene, text, 0);
	assert_true(other_is_dead(scene));
}

static void who_does_not_say_who_he_is_is_judged_by_his_age(void **state)
{
	static const char *const texts[] = { "", "machine", "boot ", "\n\n", "boot cafe",
					     "host \x1b[2J\n" };
	struct scene *scene = *state;
	char path[256];

	make_other(scene, "", 0);
	alive_path(scene, "00000000000000000000000000000007", path);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct tmc_session_info other;

		write_file(path, texts[i], strlen(texts[i]));
		assert_true(other_session(scene, &other));
		assert_false(other.dead);
		assert_null(strchr(other.host, '\x1b'));
		set_age(path, 31 * MINUTE_NS);
		assert_true(other_is_dead(scene));
	}
	assert_int_equal(unlink(path), 0); /* begun, and not further */
	assert_false(other_is_dead(scene));
}

static void a_killed_writers_session_is_taken_away_by_the_next(void **state)
{
	struct scene *scene = *state;
	struct model *model = model_mixed(4 * 4096, 4096);
	struct tmc_session_info other;
	struct tmc_point point;
	struct tmc_repo *repo;
	pid_t child = fork();
	int status;

	if (!child) {
		struct tmc_store *store;
		struct tmc_draft *draft;

		if (!tmc_store_open(scene->fixture->path, &store) && !tmc_store_begin(store, &draft))
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(count_drafts(scene->fixture), 1);
	assert_true(other_is_dead(scene));
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_int_equal(count_drafts(scene->fixture), 0);
	tmc_repo_close(repo);
	assert_false(other_session(scene, &other));
	model_destroy(model);
}

/* --------------------------------------------------------------- publish or break */

static void break_other(struct scene *scene)
{
	struct tmc_session_info other;

	assert_true(other_session(scene, &other));
	assert_success(tmc_session_break(scene->session, &other));
	assert_true(tmc_session_is_gone(scene->session, &other));
}

static void expect_told(int ret)
{
	assert_int_equal(ret, -ETIMEDOUT);
	assert_non_null(strstr(tmc_error_text(), "no life"));
}

static void a_writer_that_was_broken_makes_no_point(void **state)
{
	struct scene *scene = *state;
	struct model *model = model_mixed(200 * 4096, 4096);
	struct tmc_volume volume = model_volume(model);
	struct tmc_point point, *points;
	struct tmc_repo *repo;
	size_t nr;

	for (int put = 0; put < 2; put++) { /* with a draft and without */
		struct tmc_backup *backup;
		struct tmc_backup_stats stats;

		assert_success(tmc_repo_open(scene->fixture->path, &repo));
		assert_success(tmc_backup_begin(repo, &volume, NULL, 1, &backup));
		if (put)
			assert_success(put_range(backup, model, 0, model->nr_chunks, NULL));
		do
			tmc_backup_get_stats(backup, &stats);
		while (put && !stats.stored_bytes);
		break_other(scene);
		if (!put)
			put_range(backup, model, 0, model->nr_chunks, NULL);
		expect_told(tmc_backup_commit(backup, 1, 0, &point));
		expect_told(model_backup(repo, model, NULL, NULL, 1, &point));
		assert_success(tmc_point_list(repo, &points, &nr));
		assert_int_equal(nr, 0);
		free(points);
		assert_int_equal(count_files(scene->fixture, "packs"), 0);
		assert_int_equal(count_drafts(scene->fixture), 0);
		tmc_repo_close(repo);
	}
	assert_success(tmc_repo_open(scene->fixture->path, &repo)); /* again, as it was told */
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	assert_point_equals(repo, &point, model);
	tmc_repo_close(repo);
	model_destroy(model);
}

/* The first of the two that comes has its way, and the other one hears of it. */
static void a_draft_is_either_published_or_broken(void **state)
{
	struct scene *scene = *state;
	const struct tmc_id id = { { 0xab } };
	struct tmc_draft *draft;
	struct tmc_store *store;

	for (int published = 0; published < 2; published++) {
		assert_success(tmc_store_open(scene->fixture->path, &store));
		assert_success(tmc_store_begin(store, &draft));
		assert_success(tmc_store_write(draft, "point", 5));
		if (published)
			assert_success(tmc_store_seal(draft, TMC_STORE_POINT, &id));
		break_other(scene);
		if (!published)
			expect_told(tmc_store_seal(draft, TMC_STORE_POINT, &id));
		assert_int_equal(count_files(scene->fixture, "points"), published);
		tmc_store_close(store);
	}
}

/* ----------------------------------------------------------------------- readers */

static int refusing_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	errno = EROFS;
	return -1;
}

static void a_reader_does_without_where_it_may_not_write(void **state)
{
	struct scene *scene = *state;
	struct model *model = model_mixed(4 * 4096, 4096);
	struct io_ops refusing = io_ops_system;
	struct tmc_session_info other;
	struct tmc_point point;
	struct tmc_repo *repo;

	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_success(model_backup(repo, model, NULL, NULL, 1, &point));
	tmc_repo_close(repo);
	refusing.mkdirat = refusing_mkdirat;
	io_ops = &refusing;
	assert_success(tmc_repo_open(scene->fixture->path, &repo));
	assert_point_equals(repo, &point, model);
	assert_verified(repo, 1);
	assert_false(other_session(scene, &other));
	assert_int_equal(model_backup(repo, model, NULL, NULL, 2, &point), -EROFS);
	tmc_repo_close(repo);
	io_ops = &io_ops_system;
	model_destroy(model);
}

/* A directory that suddenly holds nothing is no proof that nobody is there. */
static void a_list_without_ourselves_is_an_error(void **state)
{
	struct scene *scene = *state;
	struct tmc_session_info *infos;
	char from[256], to[256];
	size_t nr;

	snprintf(from, sizeof(from), "%s/sessions", scene->fixture->path);
	snprintf(to, sizeof(to), "%s/elsewhere", scene->fixture->path);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(tmc_session_list(scene->session, &infos, &nr), -ENOENT);
	assert_int_equal(mkdir(from, 0700), 0);
	assert_int_equal(tmc_session_list(scene->session, &infos, &nr), -EIO);
	assert_int_equal(rmdir(from), 0);
	assert_int_equal(rename(to, from), 0);
	assert_success(tmc_session_list(scene->session, &infos, &nr));
	free(infos);
}

static unsigned int nr_unlinks;

static int count_unlink(int dir_fd, const char *name, int flags)
{
	nr_unlinks++;
	errno = flags ? ENOTEMPTY : EIO;
	return -1;
}

/* As after an error of its disk, which each call waits for anew. */
static void a_session_that_cannot_be_removed_is_left(void **state)
{
	struct scene *scene = *state;
	struct io_ops failing = io_ops_system;
	struct tmc_session *session;

	assert_success(tmc_session_begin(scene->store, "test", &session));
	failing.unlinkat = count_unlink;
	io_ops = &failing;
	tmc_session_end(session);
	io_ops = &io_ops_system;
	assert_int_equal(nr_unlinks, 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_session_is_seen_while_its_handle_is_open),
		T(what_a_session_avoids_is_read_by_others),
		T(a_session_that_takes_nothing_avoids_each_doom),
		T(a_session_renews_itself),
		T(a_foreign_session_is_dead_after_half_an_hour),
		T(an_earlier_boot_of_this_machine_is_dead_a_clone_is_not),
		T(one_of_our_boot_is_dead_once_its_lock_is_free),
		T(who_does_not_say_who_he_is_is_judged_by_his_age),
		T(a_killed_writers_session_is_taken_away_by_the_next),
		T(a_writer_that_was_broken_makes_no_point),
		T(a_draft_is_either_published_or_broken),
		T(a_reader_does_without_where_it_may_not_write),
		T(a_list_without_ourselves_is_an_error),
		T(a_session_that_cannot_be_removed_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
