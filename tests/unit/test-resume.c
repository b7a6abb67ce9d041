// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * The dirty set over a detach and an attach: exactly what was written comes back, or all of
 * it; wherever the agent is killed, and whatever was written where.
 */
#include "file_system.h"
#include "imitated_inside.h"

#include "agent/grub_environment.h"
#include "agent/resume.h"
#include "agent/saved_state.h"
#include "common/cleanup.h"
#include "common/io.h"

#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define NAME        "volume"
#define CHUNK_BYTES 65536u
#define NR_CHUNKS   (EXT4_BYTES / CHUNK_BYTES)
#define START_BYTES (IMITATED_START_SECTOR * IMITATED_SECTOR)
#define MOUNTS_AT   (START_BYTES + 1024 + 52) /* s_mnt_count */

static const uint8_t base[ATTACHMENT_BASE_BYTES] = { 9, 8, 7 };

struct scene {
	struct fixture *fixture;
	struct module *module;
	struct attachment attachment;
	struct resume_volume volume;
	struct resume_report report;
};

/* Called while R5 is on its way; a test may write there. */
static void (*at_commit)(struct scene *scene);

static void committing(void *context, const struct module_commit *commit)
{
	if (at_commit)
		at_commit(context);
}

static void copy_ext4(struct scene *scene)
{
	int fd = make_file_system(scene->fixture, "ext4", EXT4_BYTES, "-F");
	uint8_t *data = malloc(EXT4_BYTES);

	assert_int_equal(pread(fd, data, EXT4_BYTES, 0), EXT4_BYTES);
	assert_int_equal(pwrite(scene->module->fd, data, EXT4_BYTES, START_BYTES), EXT4_BYTES);
	free(data);
	close(fd);
}

static struct scene *begin(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct module_options options = {
		.name = NAME, .volume_bytes = EXT4_BYTES, .chunk_bytes = CHUNK_BYTES,
		.ring_bytes = 1 << 20, .stall_ms = 50, .committing = committing, .context = scene,
	};

	scene->fixture = *state;
	scene->module = module_create(&options);
	snprintf(scene->attachment.name, sizeof(scene->attachment.name), "%s", NAME);
	scene->volume = (struct resume_volume){
		.directory = scene->fixture->path,
		.source = {
			.fd = scene->module->fd,
			.start_bytes = START_BYTES,
			.volume_bytes = EXT4_BYTES,
		},
		.volume_id = "part:aaaa-01",
	};
	copy_ext4(scene);
	return scene;
}

static void end(struct scene *scene)
{
	at_commit = NULL;
	module_destroy(scene->module);
	free(scene);
}

static void write_chunk(struct scene *scene, uint64_t chunk)
{
	uint8_t data[512] = { (uint8_t)chunk };
	unsigned int seed = 1;

	/* Not at the chunk's beginning: the superblock lies in the first one. */
	module_write(scene->module, MODULE_WRITE, chunk * (CHUNK_BYTES / 512) + 100, 1, data,
		     &seed);
}

/* A backup, and then the writes of a few chunks. */
static void use(struct scene *scene)
{
	module_set_base(scene->module, base);
	write_chunk(scene, 0);
	write_chunk(scene, 7);
	write_chunk(scene, 8);
	write_chunk(scene, NR_CHUNKS - 1);
}

static bool was_used(uint64_t chunk)
{
	return chunk == 0 || chunk == 7 || chunk == 8 || chunk == NR_CHUNKS - 1;
}

static void save(struct scene *scene)
{
	assert_success(resume_save(&scene->attachment, &scene->volume, &scene->report));
}

/* The module forgets everything: a reboot, or detaching and attaching again. */
static void attach_again(struct scene *scene)
{
	module_resize(scene->module, EXT4_BYTES);
}

static void take_up(struct scene *scene)
{
	resume_take_up(&scene->attachment, &scene->volume, &scene->report);
}

static bool has_base(struct scene *scene)
{
	static const uint8_t none[MODULE_BASE_BYTES];
	uint8_t now[MODULE_BASE_BYTES];

	module_get_base(scene->module, now);
	if (memcmp(now, none, sizeof(none)) == 0)
		return false;
	assert_memory_equal(now, base, sizeof(base));
	return true;
}

/* extra: one more that is dirty; NR_CHUNKS: none. */
static void expect_exact(struct scene *scene, uint64_t extra)
{
	assert_true(has_base(scene));
	for (uint64_t chunk = 0; chunk < NR_CHUNKS; chunk++)
		assert_int_equal(module_is_dirty(scene->module, chunk),
				 was_used(chunk) || chunk == extra);
}

static void expect_everything(struct scene *scene)
{
	assert_false(has_base(scene));
	assert_int_equal(module_dirty_chunks(scene->module), NR_CHUNKS);
}

static void expect_not_resumed(struct scene *scene, const char *why)
{
	assert_false(scene->report.done);
	assert_non_null(strstr(scene->report.reason, why));
	expect_everything(scene);
	assert_false(saved_state_any(scene->volume.directory));
}

static void what_was_dirty_is_dirty_again_and_nothing_else(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	save(scene);
	assert_true(scene->report.done);
	assert_int_equal(scene->report.dirty_bytes, 4 * CHUNK_BYTES);
	/* To look changes nothing. */
	expect_exact(scene, NR_CHUNKS);
	attach_again(scene);
	expect_everything(scene);
	take_up(scene);
	assert_true(scene->report.done);
	assert_int_equal(scene->report.dirty_bytes, 4 * CHUNK_BYTES);
	expect_exact(scene, NR_CHUNKS);
	end(scene);
}

static void a_state_is_used_once(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	save(scene);
	attach_again(scene);
	take_up(scene);
	assert_true(scene->report.done);
	attach_again(scene);
	take_up(scene);
	expect_not_resumed(scene, "nothing was saved");
	end(scene);
}

static void write_fifty(struct scene *scene)
{
	write_chunk(scene, 50);
}

static void a_write_behind_the_cut_is_dirty(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	save(scene);
	attach_again(scene);
	at_commit = write_fifty;
	take_up(scene);
	assert_true(scene->report.done);
	expect_exact(scene, 50);
	end(scene);
}

static void a_mount_in_between_means_everything(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	save(scene);
	attach_again(scene);
	flip_at(scene->module->fd, MOUNTS_AT);
	take_up(scene);
	expect_not_resumed(scene, "was mounted, or changed");
	end(scene);
}

static void a_volume_that_is_not_clean_is_not_saved(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	flip_at(scene->module->fd, MOUNTS_AT + 6); /* s_state */
	save(scene);
	assert_false(scene->report.done);
	assert_non_null(strstr(scene->report.reason, "not unmounted"));
	assert_false(saved_state_any(scene->volume.directory));
	expect_exact(scene, NR_CHUNKS);
	end(scene);
}

/* The one of before would be of another base. */
static void saving_nothing_removes_what_was_saved(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	save(scene);
	attach_again(scene);
	save(scene);
	assert_false(scene->report.done);
	assert_non_null(strstr(scene->report.reason, "no backup"));
	assert_false(saved_state_any(scene->volume.directory));
	end(scene);
}

static void another_size_or_an_older_module_means_everything(void **state)
{
	struct scene *scene = begin(state);

	use(scene);
	save(scene);
	module_resize(scene->module, EXT4_BYTES - CHUNK_BYTES);
	take_up(scene);
	assert_non_null(strstr(scene->report.reason, "another size"));
	attach_again(scene);
	use(scene);
	save(scene);
	attach_again(scene);
	module_be_old(scene->module);
	take_up(scene);
	expect_not_resumed(scene, "module is older");
	end(scene);
}

/* ------------------------------------------------------------------------------ GRUB */

/* 0: this file system does not tell (tmpfs, overlayfs). */
static uint64_t place_of(int fd)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} request = {.map = {.fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC,
			     .fm_extent_count = 1}};

	if (ioctl(fd, FS_IOC_FIEMAP, &request) < 0 || request.map.fm_mapped_extents != 1 ||
	    request.extent.fe_flags != FIEMAP_EXTENT_LAST)
		return 0;
	return request.extent.fe_physical;
}

/*
 * A file of this machine stands for grubenv, and the device of its file system for the volume,
 * which begins nine chunks in front of the file.
 */
static void what_grub_may_write_becomes_dirty(void **state)
{
	CLEANUP_CLOSE int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct scene *scene;
	struct channel *channel;
	char path[32], content[1024] = {1};
	struct stat st;

	assert_return_code(fd, errno);
	assert_int_equal(pwrite(fd, content, sizeof(content), 0), sizeof(content));
	assert_return_code(fstat(fd, &st), errno);
	if (!place_of(fd))
		skip();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	scene = begin(state);
	scene->volume.source.start_bytes = place_of(fd) - 9 * CHUNK_BYTES;
	module_set_base(scene->module, base);
	assert_success(channel_open(&scene->attachment, &channel));

	assert_success(grub_environment_mark_file(channel, &scene->volume, path));
	assert_int_equal(module_dirty_chunks(scene->module), 0); /* it lies on another device */
	scene->volume.extent.device = st.st_dev;
	assert_success(grub_environment_mark_file(channel, &scene->volume, "/nowhere/grubenv"));
	assert_int_equal(module_dirty_chunks(scene->module), 0);
	assert_success(grub_environment_mark_file(channel, &scene->volume, path));
	assert_int_equal(module_dirty_chunks(scene->module), 1);
	assert_true(module_is_dirty(scene->module, 9));

	/* A part of it has blocks that hold nothing yet. */
	assert_return_code(fallocate(fd, 0, 1 << 20, 4096), errno);
	assert_int_equal(grub_environment_mark_file(channel, &scene->volume, path), -EOPNOTSUPP);
	channel_close(channel);
	end(scene);
}

/* ----------------------------------------------------------------------------- kills */

static unsigned int io_left;

static bool is_dead(void)
{
	if (io_left == 0) {
		errno = EIO;
		return true;
	}
	io_left--;
	return false;
}

static int dying_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	return is_dead() ? -1 : io_ops_system.openat(dir_fd, name, flags, mode);
}

static ssize_t dying_pread(int fd, void *data, size_t bytes, off_t offset)
{
	return is_dead() ? -1 : io_ops_system.pread(fd, data, bytes, offset);
}

static ssize_t dying_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	return is_dead() ? -1 : io_ops_system.pwrite(fd, data, bytes, offset);
}

static int dying_fsync(int fd)
{
	return is_dead() ? -1 : io_ops_system.fsync(fd);
}

static int dying_renameat(int old_dir, const char *old_name, int new_dir, const char *new_name,
			  unsigned int flags)
{
	return is_dead() ? -1 : io_ops_system.renameat(old_dir, old_name, new_dir, new_name, flags);
}

static int dying_unlinkat(int dir_fd, const char *name, int flags)
{
	return is_dead() ? -1 : io_ops_system.unlinkat(dir_fd, name, flags);
}

static void let_io_die_after(unsigned int nr_calls)
{
	static struct io_ops dying;

	dying = io_ops_system;
	dying.openat = dying_openat;
	dying.pread = dying_pread;
	dying.pwrite = dying_pwrite;
	dying.fsync = dying_fsync;
	dying.renameat = dying_renameat;
	dying.unlinkat = dying_unlinkat;
	io_left = nr_calls;
	io_ops = &dying;
}

/* Neither the module nor the disk hears of anything behind the nr-th call. */
static void die_after(struct scene *scene, unsigned int nr_calls, bool in_module)
{
	if (in_module)
		module_kill_after(scene->module, nr_calls);
	else
		let_io_die_after(nr_calls);
}

static void live(struct scene *scene)
{
	module_let_live(scene->module);
	io_ops = &io_ops_system;
}

/* True: it was killed; then the next resume has all or nothing as well. */
static bool resume_killed(struct scene *scene, unsigned int nr_calls, bool in_module)
{
	bool done;

	attach_again(scene);
	use(scene);
	save(scene);
	assert_true(scene->report.done);
	attach_again(scene);
	die_after(scene, nr_calls, in_module);
	take_up(scene);
	live(scene);
	done = scene->report.done;
	if (done)
		expect_exact(scene, NR_CHUNKS);
	else
		expect_everything(scene);
	attach_again(scene);
	take_up(scene);
	if (scene->report.done)
		expect_exact(scene, NR_CHUNKS);
	else
		expect_everything(scene);
	assert_false(done && scene->report.done);
	return !done;
}

static void killed_at_any_step_of_a_resume_leaves_everything_dirty(void **state)
{
	for (unsigned int in_module = 0; in_module < 2; in_module++) {
		unsigned int nr_calls = 0;
		struct scene *scene = begin(state);

		while (resume_killed(scene, nr_calls, in_module))
			assert_true(++nr_calls < 100);
		print_message("%u steps\n", nr_calls);
		assert_true(nr_calls >= (in_module ? 3 : 8));
		end(scene);
	}
}

static bool save_killed(struct scene *scene, unsigned int nr_calls, bool in_module)
{
	bool saved;

	attach_again(scene);
	use(scene);
	die_after(scene, nr_calls, in_module);
	saved = resume_save(&scene->attachment, &scene->volume, &scene->report) == 0 &&
		scene->report.done;
	live(scene);
	expect_exact(scene, NR_CHUNKS);
	attach_again(scene);
	take_up(scene);
	if (scene->report.done)
		expect_exact(scene, NR_CHUNKS);
	else
		expect_everything(scene);
	assert_true(scene->report.done || !saved);
	return !saved;
}

static void killed_at_any_step_of_a_save_leaves_a_state_or_none(void **state)
{
	for (unsigned int in_module = 0; in_module < 2; in_module++) {
		unsigned int nr_calls = 0;
		struct scene *scene = begin(state);

		while (save_killed(scene, nr_calls, in_module))
			assert_true(++nr_calls < 100);
		print_message("%u steps\n", nr_calls);
		assert_true(nr_calls >= (in_module ? 2 : 8));
		end(scene);
	}
}

/* ----------------------------------------------------------------- a mount meanwhile */

static struct scene *disturbed;
static unsigned int reads_until;

/* Mounted, written to, unmounted. */
static void mount_and_write(struct scene *scene)
{
	write_chunk(scene, 60);
	flip_at(scene->module->fd, MOUNTS_AT);
}

static ssize_t disturbed_pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (reads_until && --reads_until == 0)
		mount_and_write(disturbed);
	return io_ops_system.pread(fd, data, bytes, offset);
}

static void disturb_at_read(struct scene *scene, unsigned int nr)
{
	static struct io_ops disturbing;

	disturbing = io_ops_system;
	disturbing.pread = disturbed_pread;
	disturbed = scene;
	reads_until = nr;
	io_ops = &disturbing;
}

/* True: it came to the write. */
static bool disturb(struct scene *scene, unsigned int at, bool while_saving)
{
	bool was_disturbed;

	attach_again(scene);
	use(scene);
	disturb_at_read(scene, while_saving ? at : 0);
	save(scene);
	attach_again(scene);
	if (!while_saving)
		disturb_at_read(scene, at);
	was_disturbed = reads_until == 0;
	take_up(scene);
	was_disturbed |= reads_until == 0;
	live(scene);
	if (scene->report.done)
		expect_exact(scene, was_disturbed ? 60 : NR_CHUNKS);
	else
		expect_everything(scene);
	return was_disturbed;
}

static void a_mount_while_it_is_saved_or_resumed_is_found(void **state)
{
	for (unsigned int while_saving = 0; while_saving < 2; while_saving++) {
		struct scene *scene = begin(state);
		unsigned int at = 1;

		while (disturb(scene, at, while_saving))
			assert_true(++at < 100);
		assert_true(at > 2);
		end(scene);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_dirty_is_dirty_again_and_nothing_else),
		T(a_state_is_used_once),
		T(a_write_behind_the_cut_is_dirty),
		T(a_mount_in_between_means_everything),
		T(a_volume_that_is_not_clean_is_not_saved),
		T(saving_nothing_removes_what_was_saved),
		T(another_size_or_an_older_module_means_everything),
		T(what_grub_may_write_becomes_dirty),
		T(killed_at_any_step_of_a_resume_leaves_everything_dirty),
		T(killed_at_any_step_of_a_save_leaves_a_state_or_none),
		T(a_mount_while_it_is_saved_or_resumed_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
