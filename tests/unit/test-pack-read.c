// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Large reads of packs past the page cache, on file systems that can and cannot.
 */
#include "repo_fixture.h"

#include "catalog/repo.h"
#include "common/io.h"

static int direct_fd;          /* the latest that was opened with O_DIRECT */
static unsigned int nr_direct; /* reads of it */
static ssize_t (*direct_pread)(void *data, size_t bytes, off_t offset);

/* Whatever file system the test runs on: alignment is checked below. */
static int open_without_direct(int dir_fd, const char *name, int flags, mode_t mode)
{
	int fd = openat(dir_fd, name, flags & ~O_DIRECT, mode);

	if (flags & O_DIRECT)
		direct_fd = fd;
	return fd;
}

static int refuse_direct(int dir_fd, const char *name, int flags, mode_t mode)
{
	errno = EINVAL;
	return flags & O_DIRECT ? -1 : openat(dir_fd, name, flags, mode);
}

static ssize_t aligned_pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (fd != direct_fd)
		return pread(fd, data, bytes, offset);
	nr_direct++;
	assert_int_equal(((uintptr_t)data | bytes | (uint64_t)offset) % IO_DIRECT_BYTES, 0);
	return direct_pread(data, bytes, offset);
}

static ssize_t read_all(void *data, size_t bytes, off_t offset)
{
	return pread(direct_fd, data, bytes, offset);
}

static ssize_t read_some(void *data, size_t bytes, off_t offset)
{
	return pread(direct_fd, data, bytes > 8192 ? 8192 : bytes, offset);
}

static ssize_t read_odd(void *data, size_t bytes, off_t offset)
{
	return pread(direct_fd, data, bytes - 100, offset);
}

static ssize_t read_nothing(void *data, size_t bytes, off_t offset)
{
	errno = EINVAL;
	return -1;
}

struct place {
	struct tmc_repo *repo;
	struct tmc_pack *pack;
	char path[256];
	uint8_t *content;
	size_t bytes;
};

static struct place make_place(struct fixture *fixture)
{
	struct model *model = model_create(10 * 65536 + 123, 65536);
	struct place place = { .repo = make_repo(fixture->path, 65536) };
	struct file_list list;
	struct tmc_point point;
	struct tmc_id id;

	for (uint64_t chunk = 0; chunk < model->nr_chunks; chunk++)
		model_fill(model, chunk, CONTENT_RANDOM);
	assert_success(model_backup(place.repo, model, NULL, NULL, 1, &point));
	list_files(fixture, "packs", &list);
	assert_int_equal(list.nr, 1);
	snprintf(place.path, sizeof(place.path), "%s", list.paths[0]);
	place.content = read_file(place.path, &place.bytes);
	assert_true(tmc_id_parse(strrchr(place.path, '/') + 1, &id));
	assert_success(tmc_pack_get(place.repo->packs, &id, &place.pack));
	model_destroy(model);
	return place;
}

static void end_place(struct place *place)
{
	tmc_pack_put(place->repo->packs, place->pack);
	tmc_repo_close(place->repo);
	free(place->content);
	io_ops = &io_ops_system;
}

static void assert_reads(struct place *place)
{
	const size_t spans[][2] = {
		{ 0, 1 }, { 0, 4096 }, { 4095, 2 }, { 4096, 8192 }, { 128, 65584 },
		{ place->bytes - 1, 1 }, { place->bytes - 70000, 70000 }, { 1, place->bytes - 1 },
	};

	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
		size_t room_bytes = spans[i][1] + TMC_PACK_SLACK_BYTES;
		uint8_t *room = NULL; /* exactly as long as it must be: ASan watches */
		const uint8_t *data;

		assert_int_equal(posix_memalign((void **)&room, 4096, room_bytes), 0);
		assert_success(tmc_pack_read_large(place->repo->packs, place->pack, room,
						   spans[i][1], spans[i][0], &data));
		assert_memory_equal(data, place->content + spans[i][0], spans[i][1]);
		free(room);
	}
}

static void assert_end_is_noticed(struct place *place)
{
	uint8_t *room = aligned_alloc(4096, 16384);
	const uint8_t *data;

	assert_int_equal(tmc_pack_read_large(place->repo->packs, place->pack, room, 2,
					     place->bytes - 1, &data), -EBADMSG);
	assert_int_equal(truncate(place->path, (off_t)place->bytes - 50), 0);
	assert_int_equal(tmc_pack_read_large(place->repo->packs, place->pack, room, 100,
					     place->bytes - 100, &data), -EBADMSG);
	free(room);
}

static void large_reads_are_right_whatever_direct_reads_do(void **state)
{
	static ssize_t (*const ways[])(void *, size_t, off_t) = {
		read_all, read_some, read_odd, read_nothing,
	};
	struct io_ops ops = io_ops_system;

	ops.openat = open_without_direct;
	ops.pread = aligned_pread;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct fixture *fixture = *state;
		struct place place;

		io_ops = &ops;
		direct_pread = ways[i];
		place = make_place(fixture);
		nr_direct = 0;
		assert_reads(&place);
		assert_true(nr_direct >= 8);
		assert_end_is_noticed(&place);
		end_place(&place);
		remove_tree(fixture->path);
	}
}

static void a_file_system_without_direct_reads_will_do(void **state)
{
	struct io_ops ops = io_ops_system;
	struct place place;

	ops.openat = refuse_direct;
	io_ops = &ops;
	place = make_place(*state);
	assert_reads(&place);
	assert_end_is_noticed(&place);
	end_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_reads_are_right_whatever_direct_reads_do,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_file_system_without_direct_reads_will_do,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
