// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Two sources: sysfs for what the drivers know, libblkid for what is written on
 * the device. Not handled: two volumes that were cloned bit by bit; they share
 * their identity, which only makes "latest" mean either.
 */
#include "agent/volume.h"
#include "common/cleanup.h"
#include "common/failure.h"
#include "common/text_file.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#define SECTOR_BYTES 512

static void cleanup_probe(blkid_probe *probe)
{
	if (*probe)
		blkid_free_probe(*probe);
}

static void read_sysfs(const char *dir, const char *disk_dir, struct volume_facts *facts)
{
	text_file_line(facts->dm_uuid, sizeof(facts->dm_uuid), "%s/dm/uuid", dir);
	text_file_line(facts->md_uuid, sizeof(facts->md_uuid), "%s/md/uuid", dir);
	if (text_file_line(facts->wwid, sizeof(facts->wwid), "%s/wwid", disk_dir) < 0)
		text_file_line(facts->wwid, sizeof(facts->wwid), "%s/device/wwid", disk_dir);
	if (text_file_line(facts->serial, sizeof(facts->serial), "%s/serial", disk_dir) < 0)
		text_file_line(facts->serial, sizeof(facts->serial), "%s/device/serial", disk_dir);
}

/* Labels are whatever bytes someone wrote there; a point's strings are text. */
static void copy_value(blkid_probe probe, const char *name, char *to, size_t size)
{
	const char *value;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) < 0)
		return;
	snprintf(to, size, "%s", value);
	for (char *c = to; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/*
 * Both kinds of superblock: what is in the extent, and the entry of the
 * partition table that the device itself comes from.
 */
static void probe_content(const struct volume_extent *extent, int fd, bool partition,
			  struct volume_facts *facts)
{
	CLEANUP(cleanup_probe) blkid_probe probe = blkid_new_probe();

	if (!probe || blkid_probe_set_device(probe, fd,
					     (blkid_loff_t)(extent->start_sector * SECTOR_BYTES),
					     (blkid_loff_t)(extent->nr_sectors * SECTOR_BYTES)) < 0)
		return;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL |
							 BLKID_SUBLKS_TYPE);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, partition ? BLKID_PARTS_ENTRY_DETAILS : 0);
	if (blkid_do_safeprobe(probe) != 0)
		return;
	copy_value(probe, "TYPE", facts->fs_type, sizeof(facts->fs_type));
	copy_value(probe, "UUID", facts->fs_uuid, sizeof(facts->fs_uuid));
	copy_value(probe, "LABEL", facts->fs_label, sizeof(facts->fs_label));
	copy_value(probe, "PTUUID", facts->table_uuid, sizeof(facts->table_uuid));
	copy_value(probe, "PART_ENTRY_UUID", facts->part_uuid, sizeof(facts->part_uuid));
}

int volume_facts_read(const struct block_tree *tree, const struct volume_extent *extent, int fd,
		      struct volume_facts *ret_facts)
{
	struct block_range range;
	char dir[PATH_MAX];
	char disk_dir[PATH_MAX];
	struct utsname host;
	int r;

	*ret_facts = (struct volume_facts){0};
	r = block_tree_range(tree, extent->device, &range);
	if (r == 0)
		r = block_tree_dir(tree, extent->device, dir, sizeof(dir));
	if (r == 0)
		r = block_tree_dir(tree, range.disk, disk_dir, sizeof(disk_dir));
	if (r == 0)
		r = block_tree_name(tree, extent->device, ret_facts->kernel_name);
	if (r < 0)
		return failure_set(r, "device %u:%u: not found in /sys", major(extent->device),
				   minor(extent->device));
	if (uname(&host) == 0)
		snprintf(ret_facts->host, sizeof(ret_facts->host), "%s", host.nodename);
	read_sysfs(dir, disk_dir, ret_facts);
	probe_content(extent, fd, range.disk != extent->device, ret_facts);
	return 0;
}

bool volume_facts_has_content(const struct volume_facts *facts)
{
	return facts->fs_type[0] || facts->table_uuid[0];
}

/* Others are put together from what the maker or a hypervisor wrote there. */
static bool is_unique_wwid(const char *wwid)
{
	return strncmp(wwid, "naa.", 4) == 0 || strncmp(wwid, "eui.", 4) == 0 ||
	       strncmp(wwid, "uuid.", 5) == 0;
}

void volume_id_text(const struct volume_facts *facts, const struct volume_extent *extent,
		    bool whole, char ret_text[TMC_TEXT_BYTES])
{
	char range[48] = "";

	if (!whole)
		snprintf(range, sizeof(range), "@%" PRIu64 "+%" PRIu64, extent->start_sector,
			 extent->nr_sectors);
	if (facts->dm_uuid[0])
		snprintf(ret_text, TMC_TEXT_BYTES, "dm:%s%s", facts->dm_uuid, range);
	else if (facts->md_uuid[0])
		snprintf(ret_text, TMC_TEXT_BYTES, "md:%s%s", facts->md_uuid, range);
	else if (facts->part_uuid[0])
		snprintf(ret_text, TMC_TEXT_BYTES, "part:%s%s", facts->part_uuid, range);
	else if (is_unique_wwid(facts->wwid))
		snprintf(ret_text, TMC_TEXT_BYTES, "wwid:%s%s", facts->wwid, range);
	else if (facts->fs_uuid[0])
		snprintf(ret_text, TMC_TEXT_BYTES, "fs:%s%s", facts->fs_uuid, range);
	else if (facts->table_uuid[0])
		snprintf(ret_text, TMC_TEXT_BYTES, "table:%s%s", facts->table_uuid, range);
	else if (facts->serial[0])
		snprintf(ret_text, TMC_TEXT_BYTES, "serial:%s:%s%s", facts->host, facts->serial,
			 range);
	else
		snprintf(ret_text, TMC_TEXT_BYTES, "node:%s:%s%s", facts->host,
			 facts->kernel_name, range);
}

static void copy_file_system(const struct volume_facts *facts, struct tmc_volume *volume)
{
	snprintf(volume->fs_type, sizeof(volume->fs_type), "%s", facts->fs_type);
	snprintf(volume->fs_uuid, sizeof(volume->fs_uuid), "%s", facts->fs_uuid);
	snprintf(volume->fs_label, sizeof(volume->fs_label), "%s", facts->fs_label);
}

void volume_describe_file(int fd, uint64_t bytes, struct tmc_volume *volume)
{
	struct volume_extent extent = {.nr_sectors = bytes / SECTOR_BYTES};
	struct volume_facts facts = {0};

	probe_content(&extent, fd, false, &facts);
	copy_file_system(&facts, volume);
}

int volume_describe(const struct block_tree *tree, const struct volume_extent *extent, int fd,
		    const char *name, struct tmc_volume *ret_volume)
{
	struct volume_facts facts;
	struct block_range range;
	bool whole;
	int r = volume_facts_read(tree, extent, fd, &facts);

	if (r < 0)
		return r;
	whole = block_tree_range(tree, extent->device, &range) == 0 && extent->start_sector == 0 &&
		extent->nr_sectors == range.nr_sectors;
	*ret_volume = (struct tmc_volume){.volume_bytes = extent->nr_sectors * SECTOR_BYTES};
	volume_id_text(&facts, extent, whole, ret_volume->volume_id);
	snprintf(ret_volume->name, sizeof(ret_volume->name), "%s", name);
	snprintf(ret_volume->host, sizeof(ret_volume->host), "%s", facts.host);
	copy_file_system(&facts, ret_volume);
	return 0;
}
