// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Backups of files and of standard input, without a kernel module.
 */
#include "repo_fixture.h"

#include "agent/source_backup.h"
#include "common/block_tree.h"
#include "common/failure.h"

#include <linux/ioprio.h>
#include <pthread.h>
#include <signal.h>
#include <sys/utsname.h>

#define MIB (1u << 20)

static struct tmc_repo *make_place(struct fixture *fixture, char ret_path[128])
{
	snprintf(ret_path, 128, "%s/disk", fixture->directory);
	return make_repo(fixture->path, 65536);
}

static void write_at(const char *path, const void *data, size_t bytes, uint64_t offset)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(pwrite(fd, data, bytes, (off_t)offset), bytes);
	close(fd);
}

static void resize(const char *path, uint64_t bytes)
{
	assert_int_equal(truncate(path, (off_t)bytes), 0);
}

static int backup(struct fixture *fixture, const char *path, const char *name,
		  struct backup_result *result)
{
	struct source_backup_request request = {
		.source = { .path = path, .name = name, .repository = fixture->path },
	};

	return source_backup_run(&request, result);
}

static struct model *random_model(uint64_t bytes)
{
	struct model *model = model_create(bytes, 65536);

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	return model;
}

static void a_file_is_stored_once_and_comes_back(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = random_model(5 * MIB + 4321);
	struct backup_result first, again, changed;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);

	write_at(path, model->data, model->bytes, 0);
	assert_success(backup(fixture, path, NULL, &first));
	assert_point_equals(repo, &first.point, model);
	assert_int_equal(first.read_bytes, model->bytes);
	assert_success(backup(fixture, path, NULL, &again));
	assert_int_equal(again.point.stored_bytes, 0);
	assert_memory_equal(&again.point.parent, &first.point.id, sizeof(first.point.id));
	model_fill(model, 40, CONTENT_RANDOM);
	write_at(path, model->data, model->bytes, 0);
	assert_success(backup(fixture, path, NULL, &changed));
	assert_int_equal(changed.point.changed_bytes, 65536);
	assert_in_range(changed.point.stored_bytes, 65536, 2 * 65536);
	assert_point_equals(repo, &changed.point, model);
	assert_verified(repo, 3);
	model_destroy(model);
	tmc_repo_close(repo);
}

static int backup_with(struct fixture *fixture, const char *path, const struct limits *limits,
		       struct backup_result *result)
{
	struct source_backup_request request = {
		.source = { .path = path, .repository = fixture->path },
		.limits = *limits,
	};

	return source_backup_run(&request, result);
}

static void *end_it(void *argument)
{
	usleep(200000);
	kill(getpid(), SIGTERM);
	return NULL;
}

/* A rate that takes days is told from none by who comes first, the end or the signal. */
static void limits_change_when_and_not_what_is_read(void **state)
{
	struct fixture *fixture = *state;
	struct limits limits = {
		.bytes_per_second = 1,
		.io_class = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0),
	};
	struct model *model = random_model(3 * MIB + 77);
	struct backup_result result;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);
	sigset_t set, before;
	pthread_t thread;

	write_at(path, model->data, model->bytes, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	assert_int_equal(pthread_create(&thread, NULL, end_it, NULL), 0);
	assert_int_equal(backup_with(fixture, path, &limits, &result), -ECANCELED);
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	limits.bytes_per_second = 64 * MIB;
	limits.cpu_percent = 400;
	assert_success(backup_with(fixture, path, &limits, &result));
	assert_int_equal(result.read_bytes, model->bytes);
	assert_point_equals(repo, &result.point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void holes_are_not_read(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = model_create(300 * MIB + 100, 65536);
	struct backup_result result;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);
	static const uint64_t islands[] = { 0, 70000, 100 * MIB - 1, 200 * MIB, 300 * MIB + 99 };

	for (size_t i = 0; i < sizeof(islands) / sizeof(*islands); i++) {
		model->data[islands[i]] = (uint8_t)(i + 1);
		write_at(path, &model->data[islands[i]], 1, islands[i]);
	}
	assert_success(backup(fixture, path, NULL, &result));
	assert_in_range(result.read_bytes, 4 * 65536 + 100, 8 * 65536);
	assert_point_equals(repo, &result.point, model);
	resize(path, 0);
	resize(path, model->bytes);
	memset(model->data, 0, model->bytes);
	assert_success(backup(fixture, path, NULL, &result));
	assert_int_equal(result.read_bytes, 0);
	assert_int_equal(result.point.changed_bytes, 4 * 65536 + 100);
	assert_point_equals(repo, &result.point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void assert_identity(struct fixture *fixture, const char *path, const char *name,
			    const char *kind, const char *value)
{
	struct backup_result result;
	struct utsname host;
	char expected[TMC_TEXT_BYTES];

	uname(&host);
	snprintf(expected, sizeof(expected), "%s:%s:%s", kind, host.nodename, value);
	assert_success(backup(fixture, path, name, &result));
	assert_string_equal(result.point.volume.volume_id, expected);
}

static void a_file_is_known_by_its_path_or_by_the_name_given(void **state)
{
	struct fixture *fixture = *state;
	char path[128], link_path[128], crooked[160];
	struct tmc_repo *repo = make_place(fixture, path);

	write_at(path, "content", 7, 0);
	snprintf(link_path, sizeof(link_path), "%s/link", fixture->directory);
	snprintf(crooked, sizeof(crooked), "%s/repo/../disk", fixture->directory);
	assert_int_equal(symlink("disk", link_path), 0);
	assert_identity(fixture, path, NULL, "file", path);
	assert_identity(fixture, link_path, NULL, "file", path);
	assert_identity(fixture, crooked, NULL, "file", path);
	assert_identity(fixture, path, "web-server", "name", "web-server");
	tmc_repo_close(repo);
}

static void a_name_too_long_and_a_part_of_the_repository_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[128], name[300];
	struct tmc_repo *repo = make_place(fixture, path);
	struct backup_result result;

	write_at(path, "content", 7, 0);
	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	assert_int_equal(backup(fixture, path, name, &result), -EINVAL);
	snprintf(path, sizeof(path), "%s/config", fixture->path);
	assert_int_equal(backup(fixture, path, NULL, &result), -ETXTBSY);
	assert_int_equal(backup(fixture, fixture->directory, NULL, &result), -EINVAL);
	assert_verified(repo, 0);
	tmc_repo_close(repo);
}

static void a_size_that_changes_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);
	struct source_request request = { .path = path, .repository = fixture->path };
	struct block_tree tree;
	struct tmc_volume volume;
	struct source source;
	uint8_t data[4096];
	bool written;

	write_at(path, "content", 7, 0);
	resize(path, 100000);
	assert_int_equal(block_tree_open("/sys", "/proc/self/mountinfo", &tree), 0);
	assert_int_equal(source_open(&request, &tree, &source, &volume), 0);
	assert_int_equal(source_check_still(&source, &written), 0);
	assert_false(written);
	resize(path, 99999);
	assert_int_equal(source_read(&source, data, sizeof(data), 98000), -ENODATA);
	assert_int_equal(source_check_still(&source, &written), -ESTALE);
	assert_non_null(strstr(failure_text(), "size changed"));
	resize(path, 100001);
	assert_int_equal(source_check_still(&source, &written), -ESTALE);
	resize(path, 100000);
	assert_int_equal(source_check_still(&source, &written), 0);
	assert_true(written);
	source_close(&source);
	block_tree_close(&tree);
	tmc_repo_close(repo);
}

/* ---------------------------------------------------------------------- stream */

struct feed {
	const struct model *model;
	int fd;
};

/* Pieces of odd sizes, as pipes give them. */
static void *feed_thread(void *context)
{
	struct feed *feed = context;
	size_t piece = 1;

	for (uint64_t done = 0; done < feed->model->bytes;) {
		uint64_t left = feed->model->bytes - done;
		ssize_t written = write(feed->fd, feed->model->data + done,
					left < piece ? left : piece);

		if (written < 0)
			abort();
		done += (uint64_t)written;
		piece = piece * 3 % 100003 + 1;
	}
	close(feed->fd);
	return NULL;
}

static int backup_stream(struct fixture *fixture, const struct model *model, const char *name,
			 struct backup_result *result)
{
	int saved = dup(STDIN_FILENO);
	struct feed feed = { .model = model };
	pthread_t thread;
	int fds[2];
	int r;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	feed.fd = fds[1];
	pthread_create(&thread, NULL, feed_thread, &feed);
	r = backup(fixture, "-", name, result);
	pthread_join(thread, NULL);
	dup2(saved, STDIN_FILENO);
	close(saved);
	return r;
}

static void standard_input_ends_where_it_ends(void **state)
{
	static const uint64_t sizes[] = {
		1, 65535, 65536, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 70000,
	};
	struct fixture *fixture = *state;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);
	struct backup_result result;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct model *model = random_model(sizes[i]);

		assert_success(backup_stream(fixture, model, "pipe", &result));
		assert_int_equal(result.read_bytes, sizes[i]);
		assert_point_equals(repo, &result.point, model);
		model_destroy(model);
	}
	assert_string_equal(result.point.volume.name, "pipe");
	assert_verified(repo, sizeof(sizes) / sizeof(*sizes));
	tmc_repo_close(repo);
}

static void standard_input_stores_only_what_is_new(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);
	struct model *model = random_model(5 * MIB + 17);
	struct backup_result first, second;

	assert_success(backup_stream(fixture, model, "pipe", &first));
	model_fill(model, 33, CONTENT_RANDOM);
	assert_success(backup_stream(fixture, model, "pipe", &second));
	assert_memory_equal(&second.point.parent, &first.point.id, sizeof(first.point.id));
	assert_int_equal(second.point.changed_bytes, 65536);
	assert_in_range(second.point.stored_bytes, 65536, 2 * 65536);
	assert_point_equals(repo, &second.point, model);
	model_destroy(model);
	tmc_repo_close(repo);
}

static void standard_input_that_is_empty_or_has_no_name_makes_no_point(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	struct tmc_repo *repo = make_place(fixture, path);
	struct model *model = model_create(0, 65536);
	struct backup_result result;

	assert_int_equal(backup_stream(fixture, model, "pipe", &result), -ENODATA);
	assert_non_null(strstr(failure_text(), "empty"));
	assert_int_equal(backup_stream(fixture, model, NULL, &result), -EINVAL);
	assert_non_null(strstr(failure_text(), "--name"));
	assert_verified(repo, 0);
	model_destroy(model);
	tmc_repo_close(repo);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_file_is_stored_once_and_comes_back),
		T(limits_change_when_and_not_what_is_read),
		T(holes_are_not_read),
		T(a_file_is_known_by_its_path_or_by_the_name_given),
		T(a_name_too_long_and_a_part_of_the_repository_are_refused),
		T(a_size_that_changes_is_an_error),
		T(standard_input_ends_where_it_ends),
		T(standard_input_stores_only_what_is_new),
		T(standard_input_that_is_empty_or_has_no_name_makes_no_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
