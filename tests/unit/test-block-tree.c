// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * What lies on what, in a made-up /sys; and what must stand still for a cut.
 */
#include "agent/freeze_set.h"
#include "agent/repository_guard.h"
#include "common/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_sysfs.h"

#include <errno.h>

#define DEVICE(minor_nr) makedev(250, minor_nr)

static const struct block_range whole_vda = {.disk = 0, .nr_sectors = 1000};

static struct block_range range_of(dev_t disk, uint64_t start, uint64_t sectors)
{
	struct block_range range = whole_vda;

	range.disk = disk;
	range.start_sector = start;
	range.nr_sectors = sectors;
	return range;
}

/*
 * vda (0): vda1 (1) at 100+400, vda2 (2) at 500+500; vdb (16)
 * dm-0 (20) on vda2; dm-1 (21) on dm-0; loop0 (30) on a file of dm-1's file
 * system at /srv; loop1 (31) on a file of vdb's at /backup
 */
static int setup(void **state)
{
	struct fake_sysfs *fake = calloc(1, sizeof(*fake));

	fake_begin(fake);
	fake_device(fake, "devices/vda", 0, 1000);
	fake_partition(fake, "devices/vda/vda1", 1, 100, 400);
	fake_partition(fake, "devices/vda/vda2", 2, 500, 500);
	fake_device(fake, "devices/vdb", 16, 2000);
	fake_device(fake, "devices/dm-0", 20, 500);
	fake_slave(fake, "devices/dm-0", "devices/vda/vda2");
	fake_device(fake, "devices/dm-1", 21, 300);
	fake_slave(fake, "devices/dm-1", "devices/dm-0");
	fake_device(fake, "devices/loop0", 30, 50);
	fake_file(fake, "/srv/images/one.img\n", "devices/loop0/loop/backing_file");
	fake_device(fake, "devices/loop1", 31, 50);
	fake_file(fake, "/backup/two.img\n", "devices/loop1/loop/backing_file");
	fake_mount(fake, "0:5", "/", "tmpfs", "none");
	fake_mount(fake, "250:1", "/boot", "ext4", "/dev/vda1");
	fake_mount(fake, "250:21", "/srv", "xfs", "/dev/mapper/x");
	fake_mount(fake, "250:30", "/mnt/with\\040space", "ext4", "/dev/loop0");
	fake_mount(fake, "250:16", "/backup", "ext4", "/dev/vdb");
	fake_mount(fake, "0:44", "/btr", "btrfs", "/dev/vda1");
	fake_open(fake);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	fake_end(*state);
	free(*state);
	return 0;
}

static void ranges_are_counted_on_the_disk(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range range;
	char name[BLOCK_NAME_BYTES];

	assert_int_equal(block_tree_range(&fake->tree, DEVICE(2), &range), 0);
	assert_true(range.disk == DEVICE(0));
	assert_int_equal(range.start_sector, 500);
	assert_int_equal(range.nr_sectors, 500);
	assert_int_equal(block_tree_range(&fake->tree, DEVICE(16), &range), 0);
	assert_true(range.disk == DEVICE(16));
	assert_int_equal(block_tree_range(&fake->tree, DEVICE(99), &range), -ENODEV);
	assert_int_equal(block_tree_name(&fake->tree, DEVICE(1), name), 0);
	assert_string_equal(name, "vda1");
}

static void heights_follow_partitions_stacks_and_loop_files(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range vda = range_of(DEVICE(0), 0, 1000);
	struct block_range front = range_of(DEVICE(0), 0, 200);
	struct block_range back = range_of(DEVICE(0), 600, 10);

	assert_int_equal(block_tree_height(&fake->tree, DEVICE(0), &vda), 0);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(1), &vda), 0);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(20), &vda), 1);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(21), &vda), 2);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(30), &vda), 3);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(31), &vda), -1);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(16), &vda), -1);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(1), &front), 0);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(2), &front), -1);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(30), &front), -1);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(1), &back), -1);
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(30), &back), 3);
}

static void ranges_that_touch_do_not_overlap(void **state)
{
	struct block_range a = range_of(DEVICE(0), 100, 100);
	struct block_range b = range_of(DEVICE(0), 200, 100);
	struct block_range c = range_of(DEVICE(0), 199, 1);
	struct block_range d = range_of(DEVICE(16), 100, 100);

	assert_false(block_range_overlap(&a, &b));
	assert_true(block_range_overlap(&a, &c));
	assert_false(block_range_overlap(&a, &d));
}

static void the_uppermost_freezes_first(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range vda = range_of(DEVICE(0), 0, 1000);
	struct freeze_set set;

	assert_int_equal(freeze_set_find(&fake->tree, &vda, 1, &set), 0);
	assert_int_equal(set.nr, 6);
	assert_true(set.devices[0] == DEVICE(30));
	assert_true(set.devices[1] == DEVICE(21));
	assert_true(set.devices[2] == DEVICE(20));
	assert_int_equal(freeze_set_count_mounts(&fake->tree, &vda), 4);
	freeze_set_clear(&set);
}

static void a_range_freezes_only_what_it_carries(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range vda1 = range_of(DEVICE(0), 100, 400);
	struct freeze_set set;

	assert_int_equal(freeze_set_find(&fake->tree, &vda1, 1, &set), 0);
	assert_int_equal(set.nr, 2); /* the disk and the partition */
	/* ext4, and btrfs by its source */
	assert_int_equal(freeze_set_count_mounts(&fake->tree, &vda1), 2);
	freeze_set_clear(&set);
}

static void ranges_that_share_what_lies_on_them_freeze_it_once(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range ranges[] = {range_of(DEVICE(0), 100, 400), range_of(DEVICE(0), 0, 1000)};
	struct freeze_set set;

	assert_int_equal(freeze_set_find(&fake->tree, ranges, 2, &set), 0);
	assert_int_equal(set.nr, 6);
	assert_true(set.devices[0] == DEVICE(30));
	freeze_set_clear(&set);
}

static void a_loop_on_itself_ends(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range vdb = range_of(DEVICE(16), 0, 2000);

	fake_device(fake, "devices/dm-7", 27, 10);
	fake_device(fake, "devices/dm-8", 28, 10);
	fake_slave(fake, "devices/dm-7", "devices/dm-8");
	fake_slave(fake, "devices/dm-8", "devices/dm-7");
	assert_int_equal(block_tree_height(&fake->tree, DEVICE(27), &vdb), -1);
}

static void mount_points_have_their_escapes_undone(void **state)
{
	struct fake_sysfs *fake = *state;
	const struct mount *mount = mount_table_find(&fake->tree.mounts, "/mnt/with space/x");

	assert_non_null(mount);
	assert_string_equal(mount->mount_point, "/mnt/with space");
	assert_string_equal(mount_table_find(&fake->tree.mounts, "/srvx")->mount_point, "/");
	assert_string_equal(mount_table_find(&fake->tree.mounts, "/srv")->mount_point, "/srv");
}

static void the_later_of_two_mounts_hides_the_other(void **state)
{
	struct fake_sysfs *fake = *state;

	fake_mount(fake, "250:2", "/backup", "ext4", "/dev/vda2");
	block_tree_close(&fake->tree);
	fake_open(fake);
	assert_true(mount_table_find(&fake->tree.mounts, "/backup/x")->device == DEVICE(2));
}

static void lines_that_are_no_mounts_are_skipped(void **state)
{
	struct fake_sysfs *fake = *state;
	size_t nr = fake->tree.mounts.nr;

	fake_file(fake,
		  "\nnonsense\n1 2 3:4 / /x rw\n1 2 x:y / /x rw - a b c\n1 2 3:4 / /x rw - a\n",
		  "mountinfo");
	block_tree_close(&fake->tree);
	fake_open(fake);
	assert_int_equal(fake->tree.mounts.nr, nr);
}

static void a_repository_on_the_volume_is_refused(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range vda = range_of(DEVICE(0), 0, 1000);
	struct block_range vdb = range_of(DEVICE(16), 0, 2000);

	/* The repository is the fixture itself, "mounted" from dm-1. */
	fake_mount(fake, "250:21", fake->root, "ext4", "/dev/mapper/x");
	block_tree_close(&fake->tree);
	fake_open(fake);
	assert_int_equal(repository_guard_check(&fake->tree, fake->root, &vda, "/dev/vda"),
			 -ETXTBSY);
	assert_non_null(strstr(failure_text(), "/dev/vda"));
	assert_int_equal(repository_guard_check(&fake->tree, fake->root, &vdb, "/dev/vdb"), 0);
	assert_int_equal(repository_guard_check(&fake->tree, "/nonexistent", &vdb, "/dev/vdb"),
			 -ENOENT);
}

static void every_member_of_a_btrfs_counts(void **state)
{
	struct fake_sysfs *fake = *state;
	struct block_range vdb = range_of(DEVICE(16), 0, 2000);
	const struct mount *mount = mount_table_find(&fake->tree.mounts, "/btr");

	assert_int_equal(block_tree_mount_height(&fake->tree, mount, &vdb), -1);
	fake_file(fake, "250:1\n", "fs/btrfs/0123/devices/vda1/dev");
	fake_file(fake, "250:16\n", "fs/btrfs/0123/devices/vdb/dev");
	assert_int_equal(block_tree_mount_height(&fake->tree, mount, &vdb), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_are_counted_on_the_disk),
		TEST(heights_follow_partitions_stacks_and_loop_files),
		TEST(ranges_that_touch_do_not_overlap),
		TEST(the_uppermost_freezes_first),
		TEST(a_range_freezes_only_what_it_carries),
		TEST(ranges_that_share_what_lies_on_them_freeze_it_once),
		TEST(a_loop_on_itself_ends),
		TEST(mount_points_have_their_escapes_undone),
		TEST(the_later_of_two_mounts_hides_the_other),
		TEST(lines_that_are_no_mounts_are_skipped),
		TEST(a_repository_on_the_volume_is_refused),
		TEST(every_member_of_a_btrfs_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
