/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) 2026 the Tidemark authors
 *
 * Recognising a volume again. Nodes such as /dev/sdb change from boot to boot,
 * so a volume's identity is the first of these that it has:
 *
 *   dm:<uuid>               a logical volume, an opened encrypted volume, ...
 *   md:<uuid>               a RAID array
 *   part:<PARTUUID>         a partition
 *   wwid:<id>               a disk with a name that is unique in the world
 *   fs:<UUID>               a file system on a whole disk or loop device
 *   table:<PTUUID>          a partitioned disk
 *   serial:<host>:<serial>  a disk whose maker numbers his own
 *   node:<host>:<name>      none of these: the kernel's name on this host
 *
 * followed by "@<start>+<sectors>" when a range of the device is protected.
 */
#ifndef AGENT_VOLUME_H
#define AGENT_VOLUME_H

#include "common/block_tree.h"

#include <stdbool.h>
#include <stdint.h>
#include <tidemark.h>

/** What can be found out about a device; empty strings where nothing was. */
struct volume_facts {
	char host[65];
	char kernel_name[BLOCK_NAME_BYTES];
	char dm_uuid[160];
	char md_uuid[64];
	char part_uuid[64];
	char wwid[160];
	char serial[128];
	char table_uuid[64];
	char fs_uuid[64];
	char fs_type[64];
	char fs_label[256];
};

/** Part of a device, in sectors of 512 bytes. */
struct volume_extent {
	dev_t device;
	uint64_t start_sector;
	uint64_t nr_sectors;
};

/**
 * Ask sysfs and libblkid. fd: of the device, open for reading. A file system
 * is looked for at the start of the extent. Errors: -ENODEV.
 */
int volume_facts_read(const struct block_tree *tree, const struct volume_extent *extent, int fd,
		      struct volume_facts *ret_facts);

/** Is there anything on it that a restore would destroy? */
bool volume_facts_has_content(const struct volume_facts *facts);

/** The text described above; whole: the extent is the whole device. */
void volume_id_text(const struct volume_facts *facts, const struct volume_extent *extent,
		    bool whole, char ret_text[TMC_TEXT_BYTES]);

/** What is found in an image file, into the members that tell of file systems. */
void volume_describe_file(int fd, uint64_t bytes, struct tmc_volume *volume);

/** All that a restore point says of its volume. */
int volume_describe(const struct block_tree *tree, const struct volume_extent *extent, int fd,
		    const char *name, struct tmc_volume *ret_volume);

#endif
